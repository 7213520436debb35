#include "runtime/kv_pages.h"

#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace moiety {
namespace {

size_t PagesFor(int64_t tokens) {
  return static_cast<size_t>((tokens + kPageTokens - 1) / kPageTokens);
}

}  // namespace

Result<float*> KvPagePool::Take() {
  if (free_.empty()) {
    MOIETY_ASSIGN_OR_RETURN(MemoryBudget::Reservation reservation,
                            budget_.Reserve(MemoryUse::kKvCache, page_bytes()));
    AlignedBytes memory = AllocateAligned(page_bytes());
    if (memory == nullptr) {
      return ResourceExhausted(
          Format("out of memory: no {} for the KV cache", FormatBytes(page_bytes())));
    }
    free_.push_back(reinterpret_cast<float*>(memory.get()));
    slots_.push_back({std::move(memory), std::move(reservation)});
  }
  float* page = free_.back();
  free_.pop_back();
  return page;
}

Status Sequence::Reserve(int64_t count) {
  const size_t before = pages_.size();
  while (pages_.size() < PagesFor(length_ + count)) {
    Result<float*> page = pool_.Take();
    if (!page.ok()) {
      while (pages_.size() > before) {
        pool_.Return(pages_.back());
        pages_.pop_back();
      }
      return std::move(page).status();
    }
    pages_.push_back(*page);
  }
  return OkStatus();
}

void Sequence::Truncate(int64_t length) {
  MOIETY_CHECK(length <= length_ || length == 0);
  length_ = length;
  while (pages_.size() > PagesFor(length)) {
    pool_.Return(pages_.back());
    pages_.pop_back();
  }
}

}  // namespace moiety
