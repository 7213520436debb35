#include "tokenize/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "tokenize/unicode_categories.h"

namespace moiety {
namespace {

bool InCategories(uint32_t code_point, utf8proc_category_t first, utf8proc_category_t last) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
  return category >= first && category <= last;
}

utf8proc_option_t OptionsOf(NormalForm form) {
  int options = UTF8PROC_STABLE;
  const bool composed = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  options |= composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  if (form == NormalForm::kNfkc || form == NormalForm::kNfkd) options |= UTF8PROC_COMPAT;
  return static_cast<utf8proc_option_t>(options);
}

// Characters below this are the same in the normal form, unless a combining mark follows.
uint32_t FirstAffected(NormalForm form) { return form == NormalForm::kNfc ? 0x300 : 0x80; }

// The one character that can be decomposed and is newer than the reference's tables.
constexpr utf8proc_int32_t kNewerThanReference = 0x11938;

// Normalizes characters by utf8proc, but for putting marks in order: its way is quadratic.
class NormalizerState {
 public:
  explicit NormalizerState(NormalForm form) : options_(OptionsOf(form)) {}

  void Append(std::string_view text, std::string& out) {
    buffer_.clear();
    while (!text.empty()) {
      const Utf8Character c = DecodeUtf8(text);
      text.remove_prefix(static_cast<size_t>(c.length));
      if (c.code_point == kNewerThanReference) {
        buffer_.push_back(kNewerThanReference);
        continue;
      }
      std::array<utf8proc_int32_t, 32> parts{};  // the longest has 18
      int last_class = 0;
      const utf8proc_ssize_t count =
          utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.code_point), parts.data(),
                                  parts.size(), options_, &last_class);
      MOIETY_CHECK(count >= 0 && count <= static_cast<utf8proc_ssize_t>(parts.size()));
      buffer_.insert(buffer_.end(), parts.begin(), parts.begin() + count);
    }
    OrderMarks();
    if ((options_ & UTF8PROC_COMPOSE) != 0) {
      const utf8proc_ssize_t length = utf8proc_normalize_utf32(
          buffer_.data(), static_cast<utf8proc_ssize_t>(buffer_.size()), options_);
      MOIETY_CHECK(length >= 0);
      buffer_.resize(static_cast<size_t>(length));
    }
    for (const utf8proc_int32_t c : buffer_) AppendUtf8(static_cast<uint32_t>(c), out);
  }

 private:
  static int CombiningClass(utf8proc_int32_t c) {
    return utf8proc_get_property(c)->combining_class;
  }

  void OrderMarks() {
    const auto is_mark = [](utf8proc_int32_t c) { return CombiningClass(c) != 0; };
    for (auto begin = buffer_.begin(); begin != buffer_.end();) {
      begin = std::find_if(begin, buffer_.end(), is_mark);
      const auto end = std::find_if_not(begin, buffer_.end(), is_mark);
      std::stable_sort(begin, end, [](utf8proc_int32_t a, utf8proc_int32_t b) {
        return CombiningClass(a) < CombiningClass(b);
      });
      begin = end;
    }
  }

  utf8proc_option_t options_;
  std::vector<utf8proc_int32_t> buffer_;
};

}  // namespace

// Version 16 of Unicode; it has not changed since 6.3.
bool IsWhiteSpace(uint32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool IsLetter(uint32_t c) { return InCategories(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO); }

bool IsNumber(uint32_t c) { return InCategories(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO); }

bool IsMark(uint32_t c) { return InCategories(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME); }

bool IsPunctuationOrAsciiSymbol(uint32_t c) {
  const bool ascii = (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
                     (c >= '{' && c <= '~');
  return ascii || IsPunctuation(c);
}

size_t WhiteSpaceBefore(std::string_view text, size_t begin, size_t end) {
  while (end > begin) {
    size_t start = end - 1;
    while (start > begin && IsUtf8Continuation(text[start])) --start;
    if (!IsWhiteSpace(DecodeUtf8(text.substr(start)).code_point)) break;
    end = start;
  }
  return end;
}

size_t WhiteSpaceAfter(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const Utf8Character c = DecodeUtf8(text.substr(begin));
    if (!IsWhiteSpace(c.code_point)) break;
    begin += static_cast<size_t>(c.length);
  }
  return begin;
}

std::string Normalize(std::string_view text, NormalForm form) {
  const uint32_t first_affected = FirstAffected(form);
  NormalizerState normalizer(form);
  std::string out;
  out.reserve(text.size());
  // Characters that may change, with the one before them and the first one after them that cannot,
  // are normalized together; all else is copied.
  size_t copied = 0;  // what is before is in `out`
  size_t at = 0;
  size_t previous = 0;  // where the character before `at` begins
  while (at < text.size()) {
    if (const size_t ascii = AsciiPrefix(text.substr(at)); ascii > 0) {
      at += ascii;
      previous = at - 1;
      continue;
    }
    Utf8Character c = DecodeUtf8(text.substr(at));
    if (c.code_point < first_affected) {
      previous = at;
      at += static_cast<size_t>(c.length);
      continue;
    }
    const size_t begin = std::max(previous, copied);
    out += text.substr(copied, begin - copied);
    while (at < text.size() && c.code_point >= first_affected) {
      at += static_cast<size_t>(c.length);
      if (at < text.size()) c = DecodeUtf8(text.substr(at));
    }
    // The character at `at` cannot change and does not change what is before it.
    normalizer.Append(text.substr(begin, at - begin), out);
    copied = previous = at;
  }
  out += text.substr(copied);
  return out;
}

}  // namespace moiety
