// Memory on cache-line boundaries.
#ifndef MOIETY_BASE_ALIGNED_H_
#define MOIETY_BASE_ALIGNED_H_

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace moiety {

inline constexpr size_t kCacheLineBytes = 64;

inline constexpr size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeDeleter>;

// `bytes` > 0, uninitialised, on a cache line; null if the machine has no memory left. Much memory
// gets huge pages where the system has them for the asking.
AlignedBytes AllocateAligned(size_t bytes);

}  // namespace moiety

#endif  // MOIETY_BASE_ALIGNED_H_
