#include "study/disk_speed.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/aligned.h"
#include "base/format.h"

namespace moiety {
namespace {

using DiskClock = std::chrono::steady_clock;

constexpr uint64_t kPartBytesOnDisk = uint64_t{4} << 20;
constexpr size_t kPartsAtOnce = 16;
constexpr double kDiskSeconds = 0.5;

struct DiskPart {
  int32_t file;
  uint64_t offset;
  uint64_t bytes;
};

// Parts of all files. Neighbours are far from each other in the list, so that no part of a disk
// that is faster than others, or cached, decides.
std::vector<DiskPart> PartsOfFiles(std::span<const std::shared_ptr<const MappedFile>> files) {
  std::vector<DiskPart> parts;
  for (size_t i = 0; i < files.size(); ++i) {
    const uint64_t size = files[i]->bytes().size();
    for (uint64_t offset = 0; offset < size; offset += kPartBytesOnDisk) {
      parts.push_back({static_cast<int32_t>(i), offset, std::min(kPartBytesOnDisk, size - offset)});
    }
  }
  std::vector<DiskPart> spread;
  constexpr size_t kStride = 61;
  for (size_t first = 0; first < kStride; ++first) {
    for (size_t i = first; i < parts.size(); i += kStride) spread.push_back(parts[i]);
  }
  return spread;
}

}  // namespace

Result<double> MeasureDisk(std::span<const std::shared_ptr<const MappedFile>> files,
                           ReadMethod method) {
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<RangeReader> reader,
                          OpenRangeReader(files, method));
  const std::vector<DiskPart> parts = PartsOfFiles(files);
  if (parts.empty()) return InvalidArgument("the files are empty: there is nothing to measure");
  // A block more: what is allocated is on a cache line only.
  const AlignedBytes memory = AllocateAligned(kPartsAtOnce * kPartBytesOnDisk + kReadBlockBytes);
  if (memory == nullptr) return ResourceExhausted("out of memory: none to measure the disk with");
  const auto address = reinterpret_cast<uintptr_t>(memory.get());
  std::byte* const begin = memory.get() + (RoundUp(address, kReadBlockBytes) - address);

  const DiskClock::time_point start = DiskClock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(DiskClock::now() - start).count();
  };
  size_t next = 0;
  uint64_t bytes = 0;
  const auto submit = [&](uint64_t place) {
    const DiskPart& part = parts[next++];
    reader->Submit({part.file, part.offset, part.bytes, begin + place * kPartBytesOnDisk, place});
    bytes += part.bytes;
  };
  while (next < std::min(parts.size(), kPartsAtOnce)) submit(next);
  std::vector<RangeDone> done;
  while (reader->num_pending() > 0) {
    done.clear();
    reader->Collect(true, done);
    for (RangeDone& d : done) {
      MOIETY_RETURN_IF_ERROR(std::move(d.status));
      if (next < parts.size() && seconds() < kDiskSeconds) submit(d.tag);
    }
  }
  return static_cast<double>(bytes) / seconds();
}

}  // namespace moiety
