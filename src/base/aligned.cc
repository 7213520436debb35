#include "base/aligned.h"

#include <sys/mman.h>

namespace moiety {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;

}  // namespace

AlignedBytes AllocateAligned(size_t bytes) {
  const bool huge = bytes >= 2 * kHugePageBytes;
  const size_t alignment = huge ? kHugePageBytes : kCacheLineBytes;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  // Weights are read once per token: with small pages, finding them takes a good part of the time.
  // A system without huge pages refuses, and nothing changes.
  if (huge) madvise(memory, bytes / kHugePageBytes * kHugePageBytes, MADV_HUGEPAGE);
#endif
  return AlignedBytes(static_cast<std::byte*>(memory));
}

}  // namespace moiety
