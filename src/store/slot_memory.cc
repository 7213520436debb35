#include "store/slot_memory.h"

#include <sys/mman.h>

namespace moiety {
namespace {

// From here on the pages that two slots share do not count.
constexpr uint64_t kHugeSlotBytes = uint64_t{16} << 20;

}  // namespace

SlotMemory::~SlotMemory() {
  if (begin_ != nullptr) munmap(begin_, bytes_);
}

bool SlotMemory::Map(uint64_t slot_bytes, uint64_t max_slots) {
  if (__builtin_mul_overflow(slot_bytes, max_slots, &bytes_)) return false;
  void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  begin_ = static_cast<std::byte*>(memory);
  slot_bytes_ = slot_bytes;
#if defined(MADV_HUGEPAGE)
  // As for other weights (AllocateAligned). Without them nothing changes.
  if (slot_bytes >= kHugeSlotBytes) madvise(memory, bytes_, MADV_HUGEPAGE);
#endif
  return true;
}

void SlotMemory::Discard(int32_t index) const { madvise(slot(index), slot_bytes_, MADV_DONTNEED); }

}  // namespace moiety
