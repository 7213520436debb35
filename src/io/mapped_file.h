// Files as bytes: read whole, or mapped read-only.
#ifndef MOIETY_IO_MAPPED_FILE_H_
#define MOIETY_IO_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "moiety/status.h"

namespace moiety {

// A whole regular file, mapped read-only and shared: pages arrive when touched and belong to the
// page cache. Immutable and safe to read from any thread.
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> Open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Bytes [begin, end) will not be read again soon: their pages leave this process's memory (not
  // the page cache). Reading them is still right, and brings them back.
  void Release(uint64_t begin, uint64_t end) const;
  // Copies the bytes from `offset` on, which must be in the file, without filling this process's
  // memory with its pages. Fails if they cannot be read (any more).
  Status ReadAt(uint64_t offset, std::span<std::byte> to) const;
  // Another descriptor of this very file, also when its name is gone or somebody else's by now; the
  // caller closes it. `direct`: its reads go past the page cache, in whole blocks; not every file
  // system has that (kUnsupported).
  Result<int> OpenAgain(bool direct) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, int fd, const std::byte* data, size_t size)
      : path_(std::move(path)), fd_(fd), data_(data), size_(size) {}

  std::filesystem::path path_;
  int fd_;
  const std::byte* data_;
  size_t size_;
};

// The contents of a file of at most `max_bytes` (configs, tokenizers); a larger one is an error
// before anything is allocated.
Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t max_bytes);

}  // namespace moiety

#endif  // MOIETY_IO_MAPPED_FILE_H_
