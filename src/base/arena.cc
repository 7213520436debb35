#include "base/arena.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/format.h"

namespace moiety {
namespace {
constexpr size_t kMinChunkBytes = size_t{1} << 20;
}

Result<std::byte*> Arena::Allocate(size_t bytes) {
  if (bytes > SIZE_MAX - kCacheLineBytes) {  // rounding up would wrap
    return ResourceExhausted(Format("out of memory: no {} for buffers", FormatBytes(bytes)));
  }
  bytes = RoundUp(std::max<size_t>(bytes, 1), kCacheLineBytes);
  // Chunks too small for this request are passed over until the next Release().
  while (chunk_ < chunks_.size() && chunks_[chunk_].size - used_ < bytes) {
    ++chunk_;
    used_ = 0;
  }
  if (chunk_ == chunks_.size()) {
    // Doubling keeps the number of chunks small for any step size.
    const size_t last = chunks_.empty() ? 0 : chunks_.back().size;
    size_t size = std::max({bytes, kMinChunkBytes, 2 * last});
    Result<MemoryBudget::Reservation> reservation = budget_.Reserve(MemoryUse::kBuffers, size);
    if (!reservation.ok() && size > bytes) {
      size = bytes;
      reservation = budget_.Reserve(MemoryUse::kBuffers, size);
    }
    if (!reservation.ok()) return std::move(reservation).status();
    Chunk chunk{AllocateAligned(size), size, *std::move(reservation)};
    if (chunk.memory == nullptr) {
      return ResourceExhausted(Format("out of memory: no {} for buffers", FormatBytes(size)));
    }
    chunks_.push_back(std::move(chunk));
    used_ = 0;
  }
  std::byte* memory = chunks_[chunk_].memory.get() + used_;
  used_ += bytes;
  return memory;
}

void Arena::Release(Mark mark) {
  chunk_ = mark.chunk;
  used_ = mark.used;
}

}  // namespace moiety
