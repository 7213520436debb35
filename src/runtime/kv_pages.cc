#include "runtime/kv_pages.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace moiety {
namespace {

size_t PagesOf(int64_t tokens) {
  return static_cast<size_t>((tokens + kPageTokens - 1) / kPageTokens);
}

uint64_t HashLayout(const StateLayout& layout) {
  uint64_t hash = 0;
  for (const StateSpec& spec : layout.layers) {
    const int32_t values[] = {
        static_cast<int32_t>(spec.kind),     static_cast<int32_t>(spec.window),
        static_cast<int32_t>(spec.key_type), static_cast<int32_t>(spec.value_type),
        static_cast<int32_t>(spec.head_dim), static_cast<int32_t>(spec.num_kv_heads)};
    hash = HashPage(hash, values);
  }
  return hash;
}

}  // namespace

KvPagePool::KvPagePool(StateLayout layout, MemoryBudget& budget, const KvPageLimits& limits)
    : layout_(std::move(layout)), budget_(budget), limits_(limits), prefixes_(HashLayout(layout_)) {
  budget_.SetReclaim(MemoryUse::kKvCache,
                     MemoryBudget::Reclaimer{[this](uint64_t bytes) { GiveBack(bytes); }, nullptr});
}

KvPagePool::~KvPagePool() { budget_.SetReclaim(MemoryUse::kKvCache, std::nullopt); }

Result<PageId> KvPagePool::Take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    const auto num_allocated = static_cast<int64_t>(slots_.size() - empty_.size());
    Status status;
    if (limits_.max_pages > 0 && num_allocated >= limits_.max_pages) {
      status = ResourceExhausted(Format("all {} pages of the KV cache are in use ({} tokens)",
                                        limits_.max_pages, limits_.max_pages * kPageTokens));
    } else {
      // A cached page goes before anything else gives memory for a new one.
      auto reservation = cached_.empty() ? budget_.Reserve(MemoryUse::kKvCache, page_bytes())
                                         : budget_.ReserveFree(MemoryUse::kKvCache, page_bytes());
      AlignedBytes memory = reservation.ok() ? AllocateAligned(page_bytes()) : nullptr;
      if (memory != nullptr) {
        Allocate(std::move(memory), *std::move(reservation));
      } else if (reservation.ok()) {
        status = ResourceExhausted(
            Format("out of memory: no {} for the KV cache", FormatBytes(page_bytes())));
      } else {
        status = std::move(reservation).status();
      }
    }
    if (free_.empty() && cached_.empty()) return status;
    if (free_.empty()) DropLeastRecent();
  }
  const PageId page = free_.back();
  free_.pop_back();
  slot(page).holders = 1;
  return page;
}

void KvPagePool::Allocate(AlignedBytes memory, MemoryBudget::Reservation reservation) {
  if (empty_.empty()) {
    empty_.push_back(static_cast<PageId>(slots_.size()));
    slots_.emplace_back();
  }
  const PageId page = empty_.back();
  empty_.pop_back();
  slot(page).memory = std::move(memory);
  slot(page).reservation = std::move(reservation);
  free_.push_back(page);
}

void KvPagePool::Share(PageId page) {
  const std::lock_guard lock(mutex_);
  Slot& s = slot(page);
  if (s.holders++ == 0) cached_.erase(s.cached);
}

void KvPagePool::Return(PageId page) {
  const std::lock_guard lock(mutex_);
  Slot& s = slot(page);
  MOIETY_CHECK(s.holders > 0);
  if (--s.holders > 0) return;
  if (s.node == PrefixCache::kNone) {
    free_.push_back(page);
    return;
  }
  s.cached = cached_.insert(cached_.end(), page);
  while (cached_.size() * page_bytes() > limits_.max_cached_bytes) DropLeastRecent();
}

void KvPagePool::DropLeastRecent() {
  const PageId page = cached_.front();
  cached_.pop_front();
  prefixes_.Erase(std::exchange(slot(page).node, PrefixCache::kNone));
  free_.push_back(page);
}

void KvPagePool::DropCached() {
  const std::lock_guard lock(mutex_);
  while (!cached_.empty()) DropLeastRecent();
}

void KvPagePool::GiveBack(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  uint64_t given = 0;
  while (given < bytes && (!free_.empty() || !cached_.empty())) {
    if (free_.empty()) DropLeastRecent();
    Slot& s = slot(free_.back());
    s.memory.reset();
    s.reservation.Release();
    empty_.push_back(free_.back());
    free_.pop_back();
    given += page_bytes();
  }
}

int64_t KvPagePool::Publish(int64_t before, std::span<const int32_t> ids, PageId& page) {
  const std::lock_guard lock(mutex_);
  const int64_t known = prefixes_.Find(before, ids);
  if (known == PrefixCache::kNone) {
    MOIETY_CHECK(slot(page).node == PrefixCache::kNone);
    return slot(page).node = prefixes_.Insert(before, ids, page);
  }
  const PageId other = prefixes_.page(known);
  if (other != page) {
    Slot& s = slot(other);
    if (s.holders++ == 0) cached_.erase(s.cached);
    MOIETY_CHECK(slot(page).node == PrefixCache::kNone);
    if (--slot(page).holders == 0) free_.push_back(page);
    page = other;
  }
  return known;
}

void KvPagePool::Unpublish(PageId page) {
  const std::lock_guard lock(mutex_);
  const int64_t node = std::exchange(slot(page).node, PrefixCache::kNone);
  if (node != PrefixCache::kNone) prefixes_.Erase(node);
}

KvPagePool::Found KvPagePool::FindAndShare(int64_t before, std::span<const int32_t> ids) {
  const std::lock_guard lock(mutex_);
  const int64_t node = prefixes_.Find(before, ids);
  if (node == PrefixCache::kNone) return {};
  const PageId page = prefixes_.page(node);
  Slot& s = slot(page);
  if (s.holders++ == 0) cached_.erase(s.cached);
  return {node, page};
}

int64_t KvPagePool::num_available() const {
  const std::lock_guard lock(mutex_);
  constexpr int64_t kMany = std::numeric_limits<int32_t>::max();
  int64_t growth = kMany;
  if (budget_.limit_bytes() != MemoryBudget::kUnlimited && page_bytes() > 0) {
    growth = static_cast<int64_t>(
        std::min<uint64_t>(kMany, budget_.obtainable_bytes(MemoryUse::kKvCache) / page_bytes()));
  }
  if (limits_.max_pages > 0) {
    const auto num_allocated = static_cast<int64_t>(slots_.size() - empty_.size());
    growth = std::min(growth, std::max<int64_t>(0, limits_.max_pages - num_allocated));
  }
  return growth + static_cast<int64_t>(free_.size() + cached_.size());
}

int64_t KvPagePool::num_held() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(slots_.size() - empty_.size() - free_.size() - cached_.size());
}

int64_t KvPagePool::num_cached() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(cached_.size());
}

void Sequence::Push(PageId page) {
  page_ids_.push_back(page);
  pages_.push_back(pool_.data(page));
}

Status Sequence::MakeLastPageWritable() {
  if (length() % kPageTokens == 0) return OkStatus();
  const auto last = static_cast<size_t>(length() / kPageTokens);
  if (!pool_.is_shared(page_ids_[last])) {
    pool_.Unpublish(page_ids_[last]);
    return OkStatus();
  }
  MOIETY_ASSIGN_OR_RETURN(const PageId copy, pool_.Take());
  std::memcpy(pool_.data(copy), pages_[last], pool_.page_bytes());
  pool_.Return(page_ids_[last]);
  page_ids_[last] = copy;
  pages_[last] = pool_.data(copy);
  return OkStatus();
}

Status Sequence::Reserve(int64_t count) {
  if (count == 0) return OkStatus();
  const size_t before = pages_.size();
  Status status = MakeLastPageWritable();
  while (status.ok() && pages_.size() < PagesOf(length() + count)) {
    Result<PageId> page = pool_.Take();
    if (page.ok()) {
      Push(*page);
    } else {
      status = std::move(page).status();
    }
  }
  while (!status.ok() && pages_.size() > before) {
    pool_.Return(page_ids_.back());
    page_ids_.pop_back();
    pages_.pop_back();
  }
  return status;
}

void Sequence::Advance(std::span<const int32_t> ids) {
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  MOIETY_CHECK(PagesOf(length()) <= pages_.size());
}

void Sequence::Truncate(int64_t length) {
  MOIETY_CHECK(length <= this->length());
  ids_.resize(static_cast<size_t>(length));
  nodes_.resize(std::min(nodes_.size(), static_cast<size_t>(length / kPageTokens)));
  // The last first: what nobody holds then is forgotten from the end of a text.
  while (pages_.size() > PagesOf(length)) {
    pool_.Return(page_ids_.back());
    page_ids_.pop_back();
    pages_.pop_back();
  }
}

void Sequence::Publish() {
  const std::span<const int32_t> ids = ids_;
  for (size_t i = nodes_.size(); i < static_cast<size_t>(length() / kPageTokens); ++i) {
    const int64_t before = nodes_.empty() ? PrefixCache::kRoot : nodes_.back();
    nodes_.push_back(
        pool_.Publish(before, ids.subspan(i * kPageTokens, kPageTokens), page_ids_[i]));
    pages_[i] = pool_.data(page_ids_[i]);
  }
}

int64_t Sequence::AdoptPrefix(std::span<const int32_t> ids) {
  MOIETY_CHECK(length() == 0);
  Truncate(0);
  while (ids.size() - ids_.size() > kPageTokens) {
    const auto next = ids.subspan(ids_.size(), kPageTokens);
    const auto found =
        pool_.FindAndShare(nodes_.empty() ? PrefixCache::kRoot : nodes_.back(), next);
    if (found.node == PrefixCache::kNone) break;
    nodes_.push_back(found.node);
    Push(found.page);
    ids_.insert(ids_.end(), next.begin(), next.end());
  }
  return length();
}

void Sequence::Fork(const Sequence& other) {
  MOIETY_CHECK(length() == 0 && &pool_ == &other.pool_);
  Truncate(0);
  ids_ = other.ids_;
  nodes_ = other.nodes_;
  for (size_t i = 0; i < PagesOf(length()); ++i) {
    pool_.Share(other.page_ids_[i]);
    Push(other.page_ids_[i]);
  }
}

}  // namespace moiety
