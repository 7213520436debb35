// UTF-8: finding where characters end, and replacing what is not UTF-8.
#ifndef MOIETY_BASE_UTF8_H_
#define MOIETY_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace moiety {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// Is it a byte inside a character of valid UTF-8, not its first?
constexpr bool IsUtf8Continuation(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0U) == 0x80U;
}

// Bytes of a character of valid UTF-8, by its first.
constexpr size_t Utf8Length(char first) {
  const auto lead = static_cast<uint8_t>(first);
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

struct Utf8Character {
  uint32_t code_point = 0;  // U+FFFD when !valid
  int length = 0;  // bytes taken; of an ill-formed sequence its maximal subpart, at least 1
  bool valid = false;
  bool truncated = false;  // !valid only because the text ends before the character does
};

// The character at text[0]; text must not be empty. Follows the Unicode standard, table 3-7:
// no surrogates, no overlong forms, nothing above U+10FFFF.
Utf8Character DecodeUtf8(std::string_view text);

void AppendUtf8(uint32_t code_point, std::string& out);

// Length of the longest prefix of ASCII, eight characters at a time: most of most texts.
size_t AsciiPrefix(std::string_view text);

bool IsUtf8(std::string_view text);
// Characters of valid UTF-8.
int64_t CountCharacters(std::string_view text);

// Calls `visit(code_point, its bytes)` for each character of valid UTF-8.
template <class Visit>
void ForEachCharacter(std::string_view text, const Visit& visit) {
  while (!text.empty()) {
    const auto lead = static_cast<uint8_t>(text[0]);
    const Utf8Character c = lead < 0x80 ? Utf8Character{lead, 1, true, false} : DecodeUtf8(text);
    const auto length = static_cast<size_t>(c.length);
    visit(c.code_point, text.substr(0, length));
    text.remove_prefix(length);
  }
}

// Length of the longest prefix that is UTF-8.
size_t ValidUtf8Prefix(std::string_view text);

// Each maximal ill-formed subpart becomes one U+FFFD (Unicode "best practice"; also what Python's
// and Rust's lossy decoders do).
std::string ToValidUtf8(std::string_view text);

// Length of the longest prefix that does not end inside a character: what may be shown now when
// more bytes will follow.
size_t CompleteUtf8Prefix(std::string_view text);

}  // namespace moiety

#endif  // MOIETY_BASE_UTF8_H_
