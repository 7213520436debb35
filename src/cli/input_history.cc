#include "cli/input_history.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <span>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "format/replacing_file.h"
#include "io/mapped_file.h"

namespace moiety::cli {
namespace {

namespace fs = std::filesystem;

constexpr fs::perms kOwnerOnly = fs::perms::owner_read | fs::perms::owner_write;

std::string ToLine(const std::string& text) {
  std::string line;
  for (const char c : text) {
    if (c == '\\') {
      line += "\\\\";
    } else if (c == '\n') {
      line += "\\n";
    } else {
      line += c;
    }
  }
  return line + "\n";
}

std::string FromLine(std::string_view line) {
  std::string text;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) {
      ++i;
      text += line[i] == 'n' ? '\n' : line[i];
    } else {
      text += line[i];
    }
  }
  return text;
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The last bytes of a file, at most `max_bytes`, from the beginning of a line.
Result<std::string> ReadEnd(const fs::path& path, uint64_t max_bytes) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  // What is not a file, or grows right now, is ReadFile's to refuse.
  if (error || size <= max_bytes) return ReadFile(path, max_bytes);
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(size - max_bytes));
  std::string text(max_bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(max_bytes));
  if (!file) return IoError(Format("{}: cannot read", path.string()));
  const size_t line = text.find('\n');
  return line == std::string::npos ? "" : text.substr(line + 1);
}

Status Replace(const fs::path& path, std::span<const std::string> entries) {
  std::string text;
  for (const std::string& entry : entries) text += ToLine(entry);
  MOIETY_RETURN_IF_ERROR(ReplaceFile(path, text));
  std::error_code error;
  fs::permissions(path, kOwnerOnly, error);
  return OkStatus();
}

}  // namespace

fs::path InputHistory::DefaultPath() {
  if (const char* path = std::getenv("MOIETY_HISTORY"); path != nullptr) return path;
  fs::path state = Environment("XDG_STATE_HOME");
  if (!state.is_absolute()) {  // the specification: others are to be ignored
    const fs::path home = Environment("HOME");
    if (home.empty()) return {};
    state = home / ".local" / "state";
  }
  return state / "moiety" / "chat_history";
}

Status InputHistory::Load() {
  Status status = Read();
  // Appended entries would make a file grow that no session can read or shorten.
  if (!status.ok()) path_.clear();
  return status;
}

Status InputHistory::Read() {
  std::error_code error;
  if (path_.empty() || !fs::exists(path_, error)) return OkStatus();
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadEnd(path_, 2 * kMaxBytes));
  std::vector<std::string_view> lines;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) lines.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  size_t bytes = 0;
  for (size_t i = lines.size(); i > 0 && entries_.size() < kMaxEntries; --i) {
    const std::string_view line = lines[i - 1];
    if (line.size() > kMaxEntryBytes) continue;
    bytes += line.size() + 1;
    if (bytes > kMaxBytes) break;
    entries_.push_back(FromLine(line));
  }
  std::reverse(entries_.begin(), entries_.end());
  const uint64_t size = fs::file_size(path_, error);
  const bool is_long = lines.size() >= 2 * kMaxEntries || size > 2 * kMaxBytes;
  return is_long && !error ? Replace(path_, entries_) : OkStatus();
}

Status InputHistory::Add(const std::string& text) {
  if (text.empty() || (!entries_.empty() && entries_.back() == text)) return OkStatus();
  const std::string line = ToLine(text);
  if (line.size() > kMaxEntryBytes) return OkStatus();
  entries_.push_back(text);
  if (path_.empty()) return OkStatus();
  std::error_code error;
  if (const fs::path folder = path_.parent_path(); !folder.empty() && !fs::exists(folder, error)) {
    fs::create_directories(folder, error);
    if (error) return IoError(Format("{}: cannot create: {}", folder.string(), error.message()));
    fs::permissions(folder, fs::perms::owner_all, error);
  }
  const auto failed = [&](const char* what) {
    return IoError(Format("{}: cannot {}: {}", path_.string(), what, std::strerror(errno)));
  };
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return failed("open");
  // One write, so that entries of sessions side by side do not mix.
  const bool written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  Status status = written ? OkStatus() : failed("write");
  close(fd);
  return status;
}

}  // namespace moiety::cli
