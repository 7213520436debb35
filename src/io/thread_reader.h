// RangeReader over pread on threads of its own: for systems that do not allow io_uring.
#ifndef MOIETY_IO_THREAD_READER_H_
#define MOIETY_IO_THREAD_READER_H_

#include <memory>

#include "io/range_pieces.h"
#include "io/range_reader.h"

namespace moiety {

// Fails with kResourceExhausted when the system has no more threads to give.
Result<std::unique_ptr<RangeReader>> OpenThreadReader(std::unique_ptr<const ReadFiles> files);

}  // namespace moiety

#endif  // MOIETY_IO_THREAD_READER_H_
