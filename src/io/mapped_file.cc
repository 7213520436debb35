#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/format.h"

namespace moiety {
namespace {

// An open regular file and its size; closed when it goes out of scope.
struct OpenFile {
  int fd = -1;
  uint64_t size = 0;
  OpenFile() = default;
  OpenFile(OpenFile&& other) noexcept : fd(std::exchange(other.fd, -1)), size(other.size) {}
  OpenFile& operator=(OpenFile&&) = delete;
  ~OpenFile() {
    if (fd >= 0) close(fd);
  }
};

Status SystemError(const char* what, const std::filesystem::path& path) {
  const int error = errno;
  const auto code =
      error == ENOENT || error == ENOTDIR ? StatusCode::kNotFound : StatusCode::kIoError;
  return {code, Format("{}: cannot {}: {}", path.string(), what, std::strerror(error))};
}

Result<OpenFile> OpenRegularFile(const std::filesystem::path& path) {
  OpenFile file;
  // O_NONBLOCK: a FIFO in place of a file must not hang the open.
  file.fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.fd < 0) return SystemError("open", path);
  struct stat info {};
  if (fstat(file.fd, &info) != 0) return SystemError("stat", path);
  if (!S_ISREG(info.st_mode)) {
    return InvalidArgument(Format("{}: not a regular file", path.string()));
  }
  file.size = static_cast<uint64_t>(info.st_size);
  return file;
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::filesystem::path& path) {
  MOIETY_ASSIGN_OR_RETURN(OpenFile file, OpenRegularFile(path));
  const std::byte* data = nullptr;
  if (file.size > 0) {  // mmap refuses a length of 0
    void* address = mmap(nullptr, file.size, PROT_READ, MAP_SHARED, file.fd, 0);
    if (address == MAP_FAILED) return SystemError("map", path);
    data = static_cast<const std::byte*>(address);
  }
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, std::exchange(file.fd, -1), data, file.size));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
  close(fd_);
}

Status MappedFile::ReadAt(uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t got = pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path_);
    if (got == 0) {
      return IoError(
          Format("{}: ended before byte {}, expected {} more", path_.string(), offset, to.size()));
    }
    offset += static_cast<uint64_t>(got);
    to = to.subspan(static_cast<size_t>(got));
  }
  return OkStatus();
}

Result<int> MappedFile::OpenAgain(bool direct) const {
  if (direct) {
    const int fd = open(Format("/proc/self/fd/{}", fd_).c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (fd >= 0) return fd;
    return Unsupported(
        Format("{}: cannot be read past the page cache: {}", path_.string(), std::strerror(errno)));
  }
  const int fd = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return SystemError("open again", path_);
  return fd;
}

void MappedFile::Release(uint64_t begin, uint64_t end) const {
  // Whole pages only: the ends may share one with bytes that are still being read.
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  begin = (begin + page - 1) / page * page;
  end = std::min<uint64_t>(end, size_) / page * page;
  if (begin >= end) return;
  // A failure costs memory, not correctness.
  madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t max_bytes) {
  MOIETY_ASSIGN_OR_RETURN(const OpenFile file, OpenRegularFile(path));
  if (file.size > max_bytes) {
    return InvalidData(Format("{}: {} is more than the {} such a file may have", path.string(),
                              FormatBytes(file.size), FormatBytes(max_bytes)));
  }
  std::string text(file.size, '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = read(file.fd, text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path);
    if (got == 0)
      return IoError(Format("{}: ended after {} of {} bytes", path.string(), done, text.size()));
    done += static_cast<size_t>(got);
  }
  return text;
}

}  // namespace moiety
