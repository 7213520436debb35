#include "base/utf8.h"

#include <algorithm>
#include <cstring>

namespace moiety {

Utf8Character DecodeUtf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true, false};
  int length = 0;
  uint8_t low = 0x80;  // bounds of the second byte; later bytes are always 80..BF
  uint8_t high = 0xBF;
  uint32_t code_point = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    code_point = lead & 0x1FU;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    code_point = lead & 0x0FU;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    code_point = lead & 0x07U;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {0xFFFD, 1, false, false};
  }
  for (int i = 1; i < length; ++i) {
    if (static_cast<size_t>(i) >= text.size()) return {0xFFFD, i, false, true};
    const uint8_t next = byte(static_cast<size_t>(i));
    if (next < low || next > high) return {0xFFFD, i, false, false};
    low = 0x80;
    high = 0xBF;
    code_point = (code_point << 6) | (next & 0x3FU);
  }
  return {code_point, length, true, false};
}

void AppendUtf8(uint32_t c, std::string& out) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

size_t AsciiPrefix(std::string_view text) {
  size_t done = 0;
  uint64_t eight = 0;
  while (done + sizeof(eight) <= text.size()) {
    std::memcpy(&eight, text.data() + done, sizeof(eight));
    if ((eight & 0x8080808080808080U) != 0) break;
    done += sizeof(eight);
  }
  while (done < text.size() && static_cast<uint8_t>(text[done]) < 0x80) ++done;
  return done;
}

size_t ValidUtf8Prefix(std::string_view text) {
  size_t done = 0;
  while (true) {
    done += AsciiPrefix(text.substr(done));
    if (done == text.size()) return done;
    const Utf8Character c = DecodeUtf8(text.substr(done));
    if (!c.valid) return done;
    done += static_cast<size_t>(c.length);
  }
}

bool IsUtf8(std::string_view text) { return ValidUtf8Prefix(text) == text.size(); }

int64_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !IsUtf8Continuation(c); });
}

std::string ToValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character c = DecodeUtf8(text);
    const auto length = static_cast<size_t>(c.length);
    out += c.valid ? text.substr(0, length) : kReplacementCharacter;
    text.remove_prefix(length);
  }
  return out;
}

size_t CompleteUtf8Prefix(std::string_view text) {
  // Only the last three bytes can belong to a character that is not finished.
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const size_t start = text.size() - back;
    if (IsUtf8Continuation(text[start])) continue;  // a continuation byte
    return DecodeUtf8(text.substr(start)).truncated ? start : text.size();
  }
  return text.size();
}

}  // namespace moiety
