// A file that is written beside the one it replaces and takes its place when complete, so that
// nobody ever sees half of it: not a reader, not the next start after a crash or a full disk.
#ifndef MOIETY_FORMAT_REPLACING_FILE_H_
#define MOIETY_FORMAT_REPLACING_FILE_H_

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "moiety/status.h"

namespace moiety {

class ReplacingFile {
 public:
  // Opens a new file in the folder of `path`, under a temporary name.
  static Result<ReplacingFile> Create(const std::filesystem::path& path);
  ReplacingFile(ReplacingFile&& other) noexcept;
  ReplacingFile& operator=(ReplacingFile&&) = delete;
  // Without Commit(): removes the temporary file; `path` stays as it was.
  ~ReplacingFile();

  // Appends all of `bytes`; an error of the system (disk full, …) is an error here.
  Status Write(std::span<const std::byte> bytes);

  // Makes what was written survive a power failure, then gives it the name `path`. The last call.
  Status Commit() &&;

 private:
  ReplacingFile(int fd, std::filesystem::path path, std::filesystem::path temporary)
      : fd_(fd), path_(std::move(path)), temporary_(std::move(temporary)) {}

  int fd_;
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty: nothing to remove
};

// Such a file with this text.
Status ReplaceFile(const std::filesystem::path& path, std::string_view text);

}  // namespace moiety

#endif  // MOIETY_FORMAT_REPLACING_FILE_H_
