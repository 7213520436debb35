// RangeReader: many ranges of files read at once, while the caller computes.
#ifndef MOIETY_IO_RANGE_READER_H_
#define MOIETY_IO_RANGE_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "io/mapped_file.h"
#include "moiety/status.h"

namespace moiety {

// Reads past the page cache are of whole blocks of this size, in the file and in memory.
inline constexpr uint64_t kReadBlockBytes = 4096;

// Where the first byte of a range lies in the memory that it is read to, and the size of that.
inline constexpr uint64_t OffsetInRead(uint64_t offset) { return offset % kReadBlockBytes; }
inline constexpr uint64_t ReadMemoryBytes(uint64_t offset, uint64_t bytes) {
  return (OffsetInRead(offset) + bytes + kReadBlockBytes - 1) / kReadBlockBytes * kReadBlockBytes;
}

struct RangeRead {
  int32_t file = 0;  // index into the reader's files
  uint64_t offset = 0;
  uint64_t bytes =
      0;  // > 0; offset + bytes is at most the size that the file had when it was opened
  // Aligned to kReadBlockBytes, of ReadMemoryBytes(offset, bytes); the range begins at
  // to[OffsetInRead(offset)], what is around it is undefined.
  std::byte* to = nullptr;
  uint64_t tag = 0;  // the caller's; comes back with the result
};

// Errors name the file, the offset, what was expected and what was found.
struct RangeDone {
  uint64_t tag = 0;
  Status status;
};

// Used by one thread at a time. The memory of a read belongs to the reader until its result is
// taken, or the reader is gone: destroying it waits for what the system has in hand.
class RangeReader {
 public:
  virtual ~RangeReader() = default;
  // How it reads, such as "io_uring, direct" or "8 threads, page cache".
  virtual std::string_view name() const = 0;
  // Starts a read, or queues it behind others. Errors come with the result.
  virtual void Submit(const RangeRead& read) = 0;
  // Appends the results of reads that ended; with `wait` and any under way there is at least one.
  virtual void Collect(bool wait, std::vector<RangeDone>& done) = 0;
  // Submitted and not collected.
  virtual int64_t num_pending() const = 0;
};

enum class ReadMethod : uint8_t {
  kAuto,     // io_uring where the system allows it, threads elsewhere
  kUring,    // io_uring, or an error
  kThreads,  // pread on threads of the reader's own
};

// A reader of files that stay as they are: a file whose size or time of change is another at the
// end of a read fails that read. Past the page cache wherever the file system has that.
Result<std::unique_ptr<RangeReader>> OpenRangeReader(
    std::span<const std::shared_ptr<const MappedFile>> files,
    ReadMethod method = ReadMethod::kAuto);

}  // namespace moiety

#endif  // MOIETY_IO_RANGE_READER_H_
