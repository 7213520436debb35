// RangeReader over io_uring: the system reads while nobody waits.
#ifndef MOIETY_IO_URING_READER_H_
#define MOIETY_IO_URING_READER_H_

#include <memory>

#include "io/range_pieces.h"
#include "io/range_reader.h"

namespace moiety {

// Fails with kUnsupported where the system has no io_uring or does not allow it, as many
// containers.
Result<std::unique_ptr<RangeReader>> OpenUringReader(std::unique_ptr<const ReadFiles> files);

}  // namespace moiety

#endif  // MOIETY_IO_URING_READER_H_
