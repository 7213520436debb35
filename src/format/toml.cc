#include "format/toml.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"

namespace moiety {
namespace {

// The parser makes a table per dot of a key, and they are taken apart by recursion.
constexpr int64_t kMaxTomlDots = 4096;

// What the parser says, which may repeat bytes of the text, on one line.
std::string TomlReason(std::string_view text) {
  constexpr size_t kMaxBytes = 160;
  std::string line(text.substr(0, CompleteUtf8Prefix(text.substr(0, kMaxBytes))));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7F; },
      ' ');
  return ToValidUtf8(line);
}

bool IsAscii(std::string_view text) { return AsciiPrefix(text) == text.size(); }

// The text, valid UTF-8, in ASCII, meaning the same. On other characters the parser's test for
// white space runs into what it calls unreachable, which is undefined.
//
// Characters beyond ASCII are within comments and strings. This tells those apart as the parser
// does up to the first error of a text; any others are refused, so what comes out is ASCII always.
class AsciiToml {
 public:
  AsciiToml(std::string_view text, const std::string& where) : rest_(text), where_(where) {}

  Result<std::string> Convert() && {
    while (!rest_.empty()) {
      if (static_cast<uint8_t>(rest_[0]) >= 0x80) {
        if (!TakeCharacter()) return Refused();
      } else if (rest_[0] == '\n') {
        ++line_;
        if (open_.size() == 1) open_ = {};  // as a comment does; a string ends with an error
        Copy(1);
      } else if (open_.empty()) {
        TakeOutside();
      } else if (open_[0] == '"' && rest_[0] == '\\') {
        // An escaped mark ends nothing; what is escaped must not become an escape itself.
        if (rest_.size() > 1 && static_cast<uint8_t>(rest_[1]) >= 0x80) return Refused();
        Copy(rest_.size() > 1 && (rest_[1] == '"' || rest_[1] == '\\') ? 2 : 1);
      } else if (rest_.starts_with(open_)) {
        Close();
      } else {
        Copy(1);
      }
    }
    return std::move(out_);
  }

 private:
  void Copy(size_t length) {
    out_ += rest_.substr(0, length);
    rest_.remove_prefix(length);
  }

  // A character beyond ASCII as one of a comment, or as an escape of a string.
  bool TakeCharacter() {
    if (open_ != kComment && !open_.starts_with('"')) return false;
    const Utf8Character character = DecodeUtf8(rest_);
    out_ += open_ == kComment ? std::string("?") : Escape(character.code_point);
    rest_.remove_prefix(static_cast<size_t>(character.length));
    return true;
  }

  void TakeOutside() {
    constexpr std::string_view kMarks[] = {"\"\"\"", "'''", "\"", "'", "#"};  // longer ones first
    for (const std::string_view mark : kMarks) {
      if (!rest_.starts_with(mark)) continue;
      if (mark == "'" && TakeLiteral()) return;
      open_ = mark;
      Copy(mark.size());
      return;
    }
    Copy(1);
  }

  // A literal string of one line, which has no escapes, as one that has them. False if it may stay.
  bool TakeLiteral() {
    const size_t end = rest_.find_first_of("'\n", 1);
    if (end == std::string_view::npos || rest_[end] != '\'') return false;
    const std::string_view content = rest_.substr(1, end - 1);
    if (IsAscii(content)) return false;
    out_ += '"';
    ForEachCharacter(content, [this](uint32_t code_point, std::string_view bytes) {
      const bool stays = code_point < 0x80 && code_point != '"' && code_point != '\\';
      out_ += stays ? std::string(bytes) : Escape(code_point);
    });
    out_ += '"';
    rest_.remove_prefix(end + 1);
    return true;
  }

  void Close() {
    size_t length = open_.size();
    // Up to two marks before those that end a string of several lines belong to it.
    while (length >= 3 && length < 5 && length < rest_.size() && rest_[length] == open_[0]) {
      ++length;
    }
    open_ = {};
    Copy(length);
  }

  static std::string Escape(uint32_t code_point) { return Format("\\U{:08X}", code_point); }

  Status Refused() const {
    return InvalidData(
        Format("{}: not valid TOML at line {}: a character beyond ASCII outside of comments and "
               "strings, or where a string cannot have it",
               where_, line_));
  }

  static constexpr std::string_view kComment = "#";

  std::string_view rest_;
  const std::string& where_;
  std::string out_;
  std::string_view open_;  // what began the string or comment; empty outside of them
  int64_t line_ = 1;
};

}  // namespace

Result<toml::table> ParseToml(std::string_view text, const std::string& where) {
  if (text.size() > kMaxTomlBytes) {
    return InvalidData(Format("{}: {} bytes are more than the {} that a config may have", where,
                              text.size(), kMaxTomlBytes));
  }
  if (std::count(text.begin(), text.end(), '.') > kMaxTomlDots) {
    return InvalidData(Format("{}: more than {} dots, as no config has", where, kMaxTomlDots));
  }
  if (const size_t valid = ValidUtf8Prefix(text); valid < text.size()) {
    return InvalidData(Format("{}: not UTF-8 at byte {}", where, valid));
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a mark of editors
  MOIETY_ASSIGN_OR_RETURN(const std::string ascii, AsciiToml(text, where).Convert());
  toml::parse_result result = toml::parse(ascii);
  if (!result) {
    const toml::parse_error& error = result.error();
    return InvalidData(Format("{}: not valid TOML at line {}, column {}: {}", where,
                              error.source().begin.line, error.source().begin.column,
                              TomlReason(error.description())));
  }
  return std::move(result).table();
}

}  // namespace moiety
