// How fast files are read, measured with the files that will be read.
#ifndef MOIETY_STUDY_DISK_SPEED_H_
#define MOIETY_STUDY_DISK_SPEED_H_

#include <memory>
#include <span>

#include "io/range_reader.h"
#include "moiety/status.h"

namespace moiety {

// Bytes per second of reading parts of the files all over them, many at once, for half a second or
// until all was read once: what a streamer could get at best.
Result<double> MeasureDisk(std::span<const std::shared_ptr<const MappedFile>> files,
                           ReadMethod method = ReadMethod::kAuto);

}  // namespace moiety

#endif  // MOIETY_STUDY_DISK_SPEED_H_
