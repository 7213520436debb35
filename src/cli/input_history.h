// What was typed in earlier sessions: a file with an entry per line, in which "\n" stands for a
// line break and "\\" for a backslash. Entries are appended as they come, so that sessions side by
// side do not lose each other's.
#ifndef MOIETY_CLI_INPUT_HISTORY_H_
#define MOIETY_CLI_INPUT_HISTORY_H_

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"

namespace moiety::cli {

class InputHistory {
 public:
  static constexpr size_t kMaxEntries = 1000;
  // Of one entry and of the file, as they are written.
  static constexpr size_t kMaxEntryBytes = size_t{64} << 10;
  static constexpr size_t kMaxBytes = size_t{1} << 20;

  // MOIETY_HISTORY, else $XDG_STATE_HOME/moiety/chat_history, else the same in ~/.local/state.
  // Empty: none is wanted (MOIETY_HISTORY is empty), or there is no home.
  static std::filesystem::path DefaultPath();

  // Nothing is read or written with an empty path.
  explicit InputHistory(std::filesystem::path path = {}) : path_(std::move(path)) {}

  // Reads the latest entries; a file that is not there is none. Shortens a file that has grown to
  // twice as many, or to twice as many bytes. After an error, nothing is written to the file.
  Status Load();
  // Adds an entry, also to the file, which only its owner may read. Nothing happens for an empty
  // one, for the same as the one before, or for one above the limit.
  Status Add(const std::string& text);

  const std::vector<std::string>& entries() const { return entries_; }

 private:
  Status Read();

  std::filesystem::path path_;
  std::vector<std::string> entries_;  // oldest first
};

}  // namespace moiety::cli

#endif  // MOIETY_CLI_INPUT_HISTORY_H_
