// What every RangeReader does alike: the open files, ranges cut into pieces, pieces put together.
#ifndef MOIETY_IO_RANGE_PIECES_H_
#define MOIETY_IO_RANGE_PIECES_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/range_reader.h"

namespace moiety {

// Descriptors of files, and what they were like when they were opened.
class ReadFiles {
 public:
  static Result<std::unique_ptr<ReadFiles>> Open(
      std::span<const std::shared_ptr<const MappedFile>> files);
  ~ReadFiles();
  ReadFiles(const ReadFiles&) = delete;
  ReadFiles& operator=(const ReadFiles&) = delete;

  int fd(int32_t file) const { return at(file).fd; }
  uint64_t size(int32_t file) const { return at(file).size; }
  std::string path(int32_t file) const { return at(file).path.string(); }
  // All of them are read past the page cache.
  bool direct() const { return direct_; }
  // Fails for a file that is not what it was.
  Status CheckUnchanged(int32_t file) const;

 private:
  struct File {
    std::filesystem::path path;
    int fd = -1;
    uint64_t size = 0;
    int64_t changed_s = 0;
    int64_t changed_ns = 0;
  };
  ReadFiles() = default;
  const File& at(int32_t file) const { return files_[static_cast<size_t>(file)]; }
  std::vector<File> files_;
  bool direct_ = true;
};

// A part of a range that is read by one call: `bytes` bytes at `offset`, both in whole blocks.
struct ReadPiece {
  int32_t file = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t needed = 0;  // of them belong to the range, or stand before it
  std::byte* to = nullptr;
  uint64_t range = 0;
};

// Ranges waiting to be read and being read. Not thread-safe.
class ReadPieces {
 public:
  // `files` must outlive it.
  explicit ReadPieces(const ReadFiles& files) : files_(files) {}

  void Add(const RangeRead& read);
  bool HasNext() const { return !waiting_.empty(); }
  // The next piece, in the order of the ranges.
  ReadPiece TakeNext();
  // What a call returned for a piece: bytes read, or a negative errno. What is missing waits again
  // before all others, or ends the range with an error.
  void Finish(const ReadPiece& piece, int64_t returned);
  // Appends the results of ranges that ended since the last call.
  void TakeDone(std::vector<RangeDone>& done);
  bool HasDone() const { return !done_.empty(); }
  // Ranges whose results were not taken.
  int64_t num_pending() const { return static_cast<int64_t>(ranges_.size() + done_.size()); }

 private:
  struct Range {
    RangeRead read;
    uint64_t pieces_left = 0;
    Status status;
  };
  void Fail(Range& range, const ReadPiece& piece, const std::string& found);

  const ReadFiles& files_;
  uint64_t next_range_ = 0;
  std::map<uint64_t, Range> ranges_;
  std::deque<ReadPiece> waiting_;
  std::vector<RangeDone> done_;
};

}  // namespace moiety

#endif  // MOIETY_IO_RANGE_PIECES_H_
