// Strings as Python sees them: sequences of code points, with Unicode's classes and cases.
#ifndef MOIETY_JINJA_TEXT_H_
#define MOIETY_JINJA_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace moiety::jinja {

bool IsSpace(uint32_t code_point);  // str.isspace, and what strip() removes
bool IsAlpha(uint32_t code_point);
bool IsDecimal(uint32_t code_point);
bool IsDigit(uint32_t code_point);
bool IsNumeric(uint32_t code_point);
bool IsPrintable(uint32_t code_point);  // others are escaped in repr()
bool IsLower(uint32_t code_point);
bool IsUpper(uint32_t code_point);
bool IsTitle(uint32_t code_point);
bool IsCased(uint32_t code_point);
bool IsNameStart(uint32_t code_point);  // of a Python identifier
bool IsNamePart(uint32_t code_point);

// The text is valid UTF-8 throughout.
std::vector<uint32_t> CodePoints(std::string_view text);
std::string FromCodePoints(const uint32_t* begin, const uint32_t* end);
inline std::string FromCodePoints(const std::vector<uint32_t>& points) {
  return FromCodePoints(points.data(), points.data() + points.size());
}
// Bytes before the code point `index` (0 … length).
size_t ByteOffset(const StringObject& text, int64_t index);
// Code points [begin, end), which lie in the text.
std::string Substring(const StringObject& text, int64_t begin, int64_t end);

std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);
std::string SwapCase(std::string_view text);
std::string Capitalize(std::string_view text);  // the first letter only
std::string TitleCase(std::string_view text);   // str.title()
std::string FoldCase(std::string_view text);

// Without the characters at its ends that are white space, or in `chars`.
std::string_view StripLeft(std::string_view text, const std::string* chars = nullptr);
std::string_view StripRight(std::string_view text, const std::string* chars = nullptr);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_TEXT_H_
