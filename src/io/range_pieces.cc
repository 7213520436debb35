#include "io/range_pieces.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace moiety {
namespace {

// Large enough that a disk is at its full speed, small enough that many are under way at once.
constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
static_assert(kPieceBytes % kReadBlockBytes == 0);

}  // namespace

Result<std::unique_ptr<ReadFiles>> ReadFiles::Open(
    std::span<const std::shared_ptr<const MappedFile>> files) {
  std::unique_ptr<ReadFiles> opened(new ReadFiles);
  for (const auto& mapped : files) {
    Result<int> fd = mapped->OpenAgain(true);
    if (!fd.ok()) {
      opened->direct_ = false;
      fd = mapped->OpenAgain(false);
    }
    if (!fd.ok()) return std::move(fd).status();
    File file{mapped->path(), *fd};
    struct stat info {};
    const bool known = fstat(file.fd, &info) == 0;
    const int error = errno;
    file.size = mapped->bytes().size();
    file.changed_s = info.st_mtim.tv_sec;
    file.changed_ns = info.st_mtim.tv_nsec;
    opened->files_.push_back(std::move(file));
    if (!known) {
      return IoError(Format("{}: cannot stat: {}", mapped->path().string(), std::strerror(error)));
    }
  }
  return opened;
}

ReadFiles::~ReadFiles() {
  for (const File& file : files_) close(file.fd);
}

Status ReadFiles::CheckUnchanged(int32_t file) const {
  const File& opened = at(file);
  struct stat now {};
  if (fstat(opened.fd, &now) != 0) {
    return IoError(Format("{}: cannot stat: {}", opened.path.string(), std::strerror(errno)));
  }
  if (static_cast<uint64_t>(now.st_size) != opened.size) {
    return IoError(Format("{}: changed while it is in use: expected {} bytes, found {}",
                          opened.path.string(), opened.size, now.st_size));
  }
  if (now.st_mtim.tv_sec != opened.changed_s || now.st_mtim.tv_nsec != opened.changed_ns) {
    return IoError(
        Format("{}: changed while it is in use: somebody wrote to it after it was opened",
               opened.path.string()));
  }
  return OkStatus();
}

void ReadPieces::Add(const RangeRead& read) {
  MOIETY_CHECK(read.bytes > 0 && read.offset + read.bytes <= files_.size(read.file));
  const uint64_t number = next_range_++;
  Range& range = ranges_[number];
  range.read = read;
  const uint64_t first = read.offset - OffsetInRead(read.offset);
  const uint64_t end = read.offset + read.bytes;
  for (uint64_t begin = first; begin < end; begin += kPieceBytes) {
    const uint64_t needed = std::min(kPieceBytes, end - begin);
    const uint64_t bytes = ReadMemoryBytes(0, needed);
    waiting_.push_back({read.file, begin, bytes, needed, read.to + (begin - first), number});
    ++range.pieces_left;
  }
}

ReadPiece ReadPieces::TakeNext() {
  const ReadPiece piece = waiting_.front();
  waiting_.pop_front();
  return piece;
}

void ReadPieces::Fail(Range& range, const ReadPiece& piece, const std::string& found) {
  if (!range.status.ok()) return;
  range.status = IoError(Format("{}: cannot read at byte {}: expected {} bytes, {}",
                                files_.path(piece.file), piece.offset, piece.needed, found));
}

void ReadPieces::Finish(const ReadPiece& piece, int64_t returned) {
  const auto it = ranges_.find(piece.range);
  Range& range = it->second;
  if (returned == -EINTR || returned == -EAGAIN) {
    waiting_.push_front(piece);
    return;
  }
  if (returned < 0) {
    Fail(range, piece, std::strerror(static_cast<int>(-returned)));
  } else if (static_cast<uint64_t>(returned) < piece.needed) {
    // The rest, from a whole block on. Less than a block is the end of the file.
    const uint64_t whole = static_cast<uint64_t>(returned) / kReadBlockBytes * kReadBlockBytes;
    if (whole > 0 && range.status.ok()) {
      ReadPiece rest = piece;
      rest.offset += whole;
      rest.bytes -= whole;
      rest.needed -= whole;
      rest.to += whole;
      waiting_.push_front(rest);
      return;
    }
    Fail(range, piece, Format("the file ended after {}", returned));
  }
  if (--range.pieces_left > 0) return;
  if (range.status.ok()) range.status = files_.CheckUnchanged(range.read.file);
  done_.push_back({range.read.tag, std::move(range.status)});
  ranges_.erase(it);
}

void ReadPieces::TakeDone(std::vector<RangeDone>& done) {
  for (RangeDone& d : done_) done.push_back(std::move(d));
  done_.clear();
}

}  // namespace moiety
