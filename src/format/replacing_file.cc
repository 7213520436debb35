#include "format/replacing_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/format.h"

namespace moiety {
namespace {

Status SystemError(const char* what, const std::filesystem::path& path) {
  return IoError(Format("{}: cannot {}: {}", path.string(), what, std::strerror(errno)));
}

// The rename itself is on disk only after its folder is. File systems that cannot sync a folder
// (some network ones) say EINVAL; they have nothing better to offer.
Status SyncFolder(const std::filesystem::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError("open the folder to sync it", folder);
  const bool synced = fsync(fd) == 0 || errno == EINVAL;
  Status status = synced ? OkStatus() : SystemError("sync the folder", folder);
  close(fd);
  return status;
}

std::filesystem::path FolderOf(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

Result<ReplacingFile> ReplacingFile::Create(const std::filesystem::path& path) {
  if (!path.has_filename()) {
    return InvalidArgument(Format("\"{}\": not the name of a file", path.string()));
  }
  // A rename would replace a link, or a device, by a file.
  std::error_code error;
  const std::filesystem::path target = std::filesystem::weakly_canonical(path, error);
  const std::filesystem::file_status existing = std::filesystem::status(target, error);
  if (std::filesystem::exists(existing) && !std::filesystem::is_regular_file(existing)) {
    return InvalidArgument(Format("{}: not a regular file", path.string()));
  }
  constexpr int kMaxAttempts = 1000;  // names left behind by processes that were killed
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const std::filesystem::path temporary =
        FolderOf(target) / Format(".{}.{}-{}.tmp", target.filename().string(), getpid(), attempt);
    const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return ReplacingFile(fd, target, temporary);
    if (errno != EEXIST) return SystemError("create", path);
  }
  return SystemError("find a free temporary name", path);
}

ReplacingFile::ReplacingFile(ReplacingFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})) {}

ReplacingFile::~ReplacingFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status ReplacingFile::Write(std::span<const std::byte> bytes) {
  constexpr size_t kMaxStep = size_t{1} << 30;  // one write() takes less than 2 GiB
  while (!bytes.empty()) {
    const ssize_t done = write(fd_, bytes.data(), std::min(bytes.size(), kMaxStep));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return SystemError("write", path_);
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
  return OkStatus();
}

Status ReplacingFile::Commit() && {
  if (fsync(fd_) != 0) return SystemError("sync to disk", path_);
  if (close(std::exchange(fd_, -1)) != 0) return SystemError("close", path_);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return SystemError("replace", path_);
  temporary_.clear();
  return SyncFolder(FolderOf(path_));
}

Status ReplaceFile(const std::filesystem::path& path, std::string_view text) {
  MOIETY_ASSIGN_OR_RETURN(ReplacingFile file, ReplacingFile::Create(path));
  MOIETY_RETURN_IF_ERROR(file.Write(std::as_bytes(std::span(text))));
  return std::move(file).Commit();
}

}  // namespace moiety
