#include "jinja/text.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/utf8.h"
#include "jinja/case_tables.h"

namespace moiety::jinja {
namespace {

utf8proc_category_t Category(uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

bool IsLetter(utf8proc_category_t category) {
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

const SpecialCase* FindSpecial(uint32_t code_point) {
  const auto cases = SpecialCases();
  const auto it = std::lower_bound(
      cases.begin(), cases.end(), code_point,
      [](const SpecialCase& entry, uint32_t value) { return entry.code_point < value; });
  return it != cases.end() && it->code_point == code_point ? &*it : nullptr;
}

uint32_t Simple(utf8proc_int32_t (*map)(utf8proc_int32_t), uint32_t code_point) {
  return static_cast<uint32_t>(map(static_cast<utf8proc_int32_t>(code_point)));
}

void AppendUpper(uint32_t code_point, std::string& out) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point >= 'a' && code_point <= 'z' ? code_point - 32 : code_point);
  } else if (const SpecialCase* special = FindSpecial(code_point)) {
    out += special->upper;
  } else {
    AppendUtf8(Simple(utf8proc_toupper, code_point), out);
  }
}

void AppendTitle(uint32_t code_point, std::string& out) {
  if (code_point < 0x80) {
    AppendUpper(code_point, out);
  } else if (const SpecialCase* special = FindSpecial(code_point)) {
    out += special->title;
  } else {
    AppendUtf8(Simple(utf8proc_totitle, code_point), out);
  }
}

bool IsCaseIgnorable(uint32_t code_point) {
  const utf8proc_category_t category = Category(code_point);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
         category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
         category == UTF8PROC_CATEGORY_SK || code_point == '\'' || code_point == '.' ||
         code_point == ':' || code_point == '^' || code_point == '`' || code_point == 0xB7 ||
         code_point == 0x387 || code_point == 0x2018 || code_point == 0x2019;
}

// Σ at the end of a word becomes ς. Marks are looked over up to a small distance, so that a text of
// marks alone does not take quadratic time.
bool IsFinalSigma(const std::vector<uint32_t>& points, size_t at) {
  constexpr size_t kReach = 30;
  size_t before = at;
  while (before > 0 && at - before < kReach && IsCaseIgnorable(points[before - 1])) --before;
  if (before == 0 || !IsCased(points[before - 1])) return false;
  size_t after = at + 1;
  while (after < points.size() && after - at < kReach && IsCaseIgnorable(points[after])) ++after;
  return after == points.size() || !IsCased(points[after]);
}

void AppendLower(const std::vector<uint32_t>& points, size_t at, std::string& out) {
  const uint32_t code_point = points[at];
  if (code_point < 0x80) {
    out += static_cast<char>(code_point >= 'A' && code_point <= 'Z' ? code_point + 32 : code_point);
  } else if (code_point == 0x130) {
    out += "i\xCC\x87";  // İ: the only letter that becomes two
  } else if (code_point == 0x3A3) {
    AppendUtf8(IsFinalSigma(points, at) ? 0x3C2 : 0x3C3, out);
  } else {
    AppendUtf8(Simple(utf8proc_tolower, code_point), out);
  }
}

bool IsAscii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
}

bool IsIn(uint32_t code_point, const std::vector<uint32_t>& set) {
  return std::find(set.begin(), set.end(), code_point) != set.end();
}

size_t StartOfLast(std::string_view text) {
  size_t start = text.size() - 1;
  while (start > 0 && IsUtf8Continuation(text[start])) --start;
  return start;
}

}  // namespace

bool IsSpace(uint32_t c) {
  if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsAlpha(uint32_t code_point) { return IsLetter(Category(code_point)); }
bool IsDecimal(uint32_t code_point) { return Category(code_point) == UTF8PROC_CATEGORY_ND; }

bool IsDigit(uint32_t c) {
  // Numeric_Type=Digit: superscripts, subscripts, circled and the like.
  return IsDecimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0x1369 && c <= 0x1371) ||
         c == 0x19DA || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
         (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468) ||
         (c >= 0x2474 && c <= 0x247C) || (c >= 0x2488 && c <= 0x2490) || c == 0x24EA ||
         (c >= 0x24F5 && c <= 0x24FD) || c == 0x24FF || (c >= 0x2776 && c <= 0x277E) ||
         (c >= 0x2780 && c <= 0x2788) || (c >= 0x278A && c <= 0x2792);
}

bool IsNumeric(uint32_t c) {
  const utf8proc_category_t category = Category(c);
  if (category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
      category == UTF8PROC_CATEGORY_NO) {
    return true;
  }
  // Ideographs that are numbers.
  constexpr uint32_t kIdeographs[] = {0x4E00, 0x4E8C, 0x4E09, 0x56DB, 0x4E94, 0x516D, 0x4E03,
                                      0x516B, 0x4E5D, 0x5341, 0x767E, 0x5343, 0x4E07, 0x3007};
  return std::find(std::begin(kIdeographs), std::end(kIdeographs), c) != std::end(kIdeographs);
}

bool IsPrintable(uint32_t code_point) {
  if (code_point < 0x7F) return code_point >= 0x20;
  switch (Category(code_point)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool IsLower(uint32_t c) {
  return Category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA ||
         (c >= 0x2B0 && c <= 0x2B8) || (c >= 0x2170 && c <= 0x217F) || (c >= 0x24D0 && c <= 0x24E9);
}
bool IsUpper(uint32_t c) {
  return Category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216F) ||
         (c >= 0x24B6 && c <= 0x24CF);
}
bool IsTitle(uint32_t code_point) { return Category(code_point) == UTF8PROC_CATEGORY_LT; }
bool IsCased(uint32_t code_point) {
  return IsLower(code_point) || IsUpper(code_point) || IsTitle(code_point);
}

bool IsNameStart(uint32_t code_point) {
  if (code_point < 0x80) return code_point == '_' || IsAlpha(code_point);
  const utf8proc_category_t category = Category(code_point);
  return IsLetter(category) || category == UTF8PROC_CATEGORY_NL;
}

bool IsNamePart(uint32_t code_point) {
  if (code_point < 0x80) return IsNameStart(code_point) || IsDecimal(code_point);
  const utf8proc_category_t category = Category(code_point);
  return IsNameStart(code_point) || category == UTF8PROC_CATEGORY_ND ||
         category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_PC;
}

std::vector<uint32_t> CodePoints(std::string_view text) {
  std::vector<uint32_t> points;
  points.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character character = DecodeUtf8(text);
    points.push_back(character.code_point);
    text.remove_prefix(static_cast<size_t>(character.length));
  }
  return points;
}

std::string FromCodePoints(const uint32_t* begin, const uint32_t* end) {
  std::string text;
  text.reserve(static_cast<size_t>(end - begin));
  for (const uint32_t* at = begin; at != end; ++at) AppendUtf8(*at, text);
  return text;
}

size_t ByteOffset(const StringObject& text, int64_t index) {
  if (text.is_ascii()) return static_cast<size_t>(index);
  if (index >= text.length) return text.text.size();
  size_t at = 0;
  for (;; ++at) {
    if (!IsUtf8Continuation(text.text[at]) && index-- == 0) return at;
  }
}

std::string Substring(const StringObject& text, int64_t begin, int64_t end) {
  if (begin >= end) return "";
  const size_t from = ByteOffset(text, begin);
  return text.text.substr(from, ByteOffset(text, end) - from);
}

std::string ToUpper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const uint32_t code_point : CodePoints(text)) AppendUpper(code_point, out);
  return out;
}

std::string ToLower(std::string_view text) {
  std::string out(text);
  if (IsAscii(text)) {
    for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return out;
  }
  out.clear();
  const std::vector<uint32_t> points = CodePoints(text);
  for (size_t i = 0; i < points.size(); ++i) AppendLower(points, i, out);
  return out;
}

std::string SwapCase(std::string_view text) {
  std::string out;
  const std::vector<uint32_t> points = CodePoints(text);
  for (size_t i = 0; i < points.size(); ++i) {
    if (IsUpper(points[i])) {
      AppendLower(points, i, out);
    } else if (IsLower(points[i])) {
      AppendUpper(points[i], out);
    } else {
      AppendUtf8(points[i], out);
    }
  }
  return out;
}

std::string Capitalize(std::string_view text) {
  std::string out;
  const std::vector<uint32_t> points = CodePoints(text);
  for (size_t i = 0; i < points.size(); ++i) {
    if (i == 0) {
      AppendTitle(points[i], out);
    } else {
      AppendLower(points, i, out);
    }
  }
  return out;
}

std::string TitleCase(std::string_view text) {
  std::string out;
  const std::vector<uint32_t> points = CodePoints(text);
  bool in_word = false;
  for (size_t i = 0; i < points.size(); ++i) {
    if (in_word) {
      AppendLower(points, i, out);
    } else {
      AppendTitle(points[i], out);
    }
    in_word = IsCased(points[i]);
  }
  return out;
}

std::string FoldCase(std::string_view text) {
  std::string out;
  for (const uint32_t code_point : CodePoints(text)) {
    if (const SpecialCase* special = FindSpecial(code_point)) {
      out += special->folded;
      continue;
    }
    utf8proc_int32_t folded[8];
    int last_class = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(code_point), folded, 8, UTF8PROC_CASEFOLD, &last_class);
    for (utf8proc_ssize_t i = 0; i < count && i < 8; ++i) {
      AppendUtf8(static_cast<uint32_t>(folded[i]), out);
    }
  }
  return out;
}

std::string_view StripLeft(std::string_view text, const std::string* chars) {
  const std::vector<uint32_t> set = chars != nullptr ? CodePoints(*chars) : std::vector<uint32_t>();
  while (!text.empty()) {
    const Utf8Character first = DecodeUtf8(text);
    if (chars != nullptr ? !IsIn(first.code_point, set) : !IsSpace(first.code_point)) break;
    text.remove_prefix(static_cast<size_t>(first.length));
  }
  return text;
}

std::string_view StripRight(std::string_view text, const std::string* chars) {
  const std::vector<uint32_t> set = chars != nullptr ? CodePoints(*chars) : std::vector<uint32_t>();
  while (!text.empty()) {
    const size_t start = StartOfLast(text);
    const uint32_t last = DecodeUtf8(text.substr(start)).code_point;
    if (chars != nullptr ? !IsIn(last, set) : !IsSpace(last)) break;
    text = text.substr(0, start);
  }
  return text;
}

}  // namespace moiety::jinja
