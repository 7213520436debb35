#include "cli/input_history.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "format/replacing_file.h"
#include "io/mapped_file.h"

namespace moiety::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;
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

Status Replace(const fs::path& path, std::span<const std::string> entries) {
  std::string text;
  for (const std::string& entry : entries) text += ToLine(entry);
  MOIETY_ASSIGN_OR_RETURN(ReplacingFile file, ReplacingFile::Create(path));
  MOIETY_RETURN_IF_ERROR(file.Write(std::as_bytes(std::span(text))));
  MOIETY_RETURN_IF_ERROR(std::move(file).Commit());
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
  std::error_code error;
  if (path_.empty() || !fs::exists(path_, error)) return OkStatus();
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path_, kMaxFileBytes));
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) entries_.push_back(FromLine(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const size_t found = entries_.size();
  if (found > kMaxEntries) entries_.erase(entries_.begin(), entries_.end() - kMaxEntries);
  return found >= 2 * kMaxEntries ? Replace(path_, entries_) : OkStatus();
}

Status InputHistory::Add(const std::string& text) {
  if (text.empty() || (!entries_.empty() && entries_.back() == text)) return OkStatus();
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
  const std::string line = ToLine(text);
  const bool written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  Status status = written ? OkStatus() : failed("write");
  close(fd);
  return status;
}

}  // namespace moiety::cli
