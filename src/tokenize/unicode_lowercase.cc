#include "tokenize/unicode_lowercase.h"

#include <utf8proc.h>

#include <cstdint>

#include "base/utf8.h"

namespace moiety {
namespace {

// What Unicode 16 and 17 added to the Unicode 15 of utf8proc 2.8.
uint32_t LowercaseOfNew(uint32_t c) {
  switch (c) {
    case 0x1C89:
    case 0xA7CC:
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
    case 0xA7DA:
      return c + 1;
    case 0xA7CB:
      return 0x264;
    case 0xA7DC:
      return 0x19B;
    default:
      break;
  }
  if (c >= 0x10D50 && c <= 0x10D65) return c + 0x20;
  if (c >= 0x16EA0 && c <= 0x16EB8) return c + 0x1B;
  return c;
}

}  // namespace

std::string UnicodeLowercase(std::string_view text) {
  constexpr uint32_t kCapitalIWithDot = 0x130;  // the only one that becomes two characters
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (static_cast<uint8_t>(text[0]) < 0x80) {
      const char c = text[0];
      out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
      text.remove_prefix(1);
      continue;
    }
    const Utf8Character c = DecodeUtf8(text);
    text.remove_prefix(static_cast<size_t>(c.length));
    if (c.code_point == kCapitalIWithDot) {
      out += "i\u0307";
      continue;
    }
    const auto lower =
        static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code_point)));
    AppendUtf8(lower == c.code_point ? LowercaseOfNew(lower) : lower, out);
  }
  return out;
}

}  // namespace moiety
