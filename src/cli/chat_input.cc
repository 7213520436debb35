#include "cli/chat_input.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/format.h"

namespace moiety::cli {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

Result<LineSource::Line> StandardInputLines::ReadLine(bool) {
  size_t searched = 0;
  while (true) {
    const size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos || ended_) {
      if (end == std::string::npos && buffer_.empty()) return Line{InputKind::kEnd, ""};
      Line line{InputKind::kText, buffer_.substr(0, end)};
      buffer_.erase(0, end == std::string::npos ? end : end + 1);
      if (line.text.ends_with('\r')) line.text.pop_back();
      return line;
    }
    searched = buffer_.size();
    std::array<char, 65536> bytes{};
    const ssize_t got = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoError(Format("standard input: cannot read: {}", std::strerror(errno)));
    if (got == 0) ended_ = true;
    if (got > 0) buffer_.append(bytes.data(), static_cast<size_t>(got));
  }
}

bool ChatInputText::is_command() const {
  return !is_block && text.size() > 1 && text[0] == '/' && IsLetter(text[1]);
}

std::string ChatInputText::typed() const {
  return is_block ? std::string(kQuotes) + text + std::string(kQuotes) : text;
}

Result<ChatInputText> ReadChatInput(LineSource& lines) {
  MOIETY_ASSIGN_OR_RETURN(LineSource::Line line, lines.ReadLine(/*continued=*/false));
  ChatInputText input{line.kind, std::move(line.text)};
  if (input.kind != InputKind::kText) return input;
  input.is_block = input.text.starts_with(kQuotes);
  if (input.is_block) input.text.erase(0, kQuotes.size());
  bool is_first = true;
  std::string last = input.text;  // what the latest line added
  while (input.is_block ? !last.ends_with(kQuotes) : last.ends_with('\\')) {
    if (!input.is_block) input.text.pop_back();
    MOIETY_ASSIGN_OR_RETURN(line, lines.ReadLine(/*continued=*/true));
    if (line.kind != InputKind::kText) {
      input.kind = line.kind == InputKind::kEnd ? InputKind::kUnfinished : line.kind;
      return input;
    }
    // The line break after the opening quotes is not part of the text.
    if (!(input.is_block && is_first && input.text.empty())) input.text += '\n';
    is_first = false;
    last = std::move(line.text);
    input.text += last;
  }
  if (input.is_block) {
    input.text.erase(input.text.size() - kQuotes.size());
    // Nor is the one before closing quotes that have a line of their own.
    if (last == kQuotes && input.text.ends_with('\n')) input.text.pop_back();
  }
  return input;
}

}  // namespace moiety::cli
