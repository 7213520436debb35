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

  // MOIETY_HISTORY, else $XDG_STATE_HOME/moiety/chat_history, else the same in ~/.local/state.
  // Empty: none is wanted (MOIETY_HISTORY is empty), or there is no home.
  static std::filesystem::path DefaultPath();

  // Nothing is read or written with an empty path.
  explicit InputHistory(std::filesystem::path path = {}) : path_(std::move(path)) {}

  // Reads the latest entries; a file that is not there is none. Shortens a file that has grown to
  // twice as many.
  Status Load();
  // Adds an entry, also to the file, which only its owner may read. Nothing happens for an empty
  // one, or for the same as the one before.
  Status Add(const std::string& text);

  const std::vector<std::string>& entries() const { return entries_; }

 private:
  std::filesystem::path path_;
  std::vector<std::string> entries_;  // oldest first
};

}  // namespace moiety::cli

#endif  // MOIETY_CLI_INPUT_HISTORY_H_
