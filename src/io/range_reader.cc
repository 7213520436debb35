#include "io/range_reader.h"

#include <utility>

#include "io/range_pieces.h"
#include "io/thread_reader.h"
#include "io/uring_reader.h"

namespace moiety {

Result<std::unique_ptr<RangeReader>> OpenRangeReader(
    std::span<const std::shared_ptr<const MappedFile>> files, ReadMethod method) {
  MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<ReadFiles> opened, ReadFiles::Open(files));
  // Past the page cache or not at all: io_uring has threads of its own for the rest, no better than
  // ours, and leaves what it read in the page cache.
  if (method == ReadMethod::kUring || (method == ReadMethod::kAuto && opened->direct())) {
    Result<std::unique_ptr<RangeReader>> reader = OpenUringReader(std::move(opened));
    if (reader.ok() || method == ReadMethod::kUring) return reader;
    MOIETY_ASSIGN_OR_RETURN(opened, ReadFiles::Open(files));
  }
  return OpenThreadReader(std::move(opened));
}

}  // namespace moiety
