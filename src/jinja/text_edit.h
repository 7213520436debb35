// Operations on strings that filters and methods share.
#ifndef MOIETY_JINJA_TEXT_EDIT_H_
#define MOIETY_JINJA_TEXT_EDIT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/runtime.h"
#include "jinja/text_search.h"
#include "jinja/value.h"

namespace moiety::jinja {

// str.islower() and str.isupper(): of the letters that have a case, of which there must be one.
bool IsAllLower(std::string_view text);
bool IsAllUpper(std::string_view text);

// str.replace(); count < 0: all of them.
Value ReplaceText(Runtime& run, const std::string& text, const std::string& old_text,
                  const std::string& new_text, int64_t count);

// str.split() and rsplit(); max < 0: no limit.
std::vector<std::string_view> SplitBySeparator(Runtime& run, std::string_view text,
                                               std::string_view separator, int64_t max,
                                               TextFinder::From from);
std::vector<std::string_view> SplitBySpace(Runtime& run, std::string_view text, int64_t max,
                                           TextFinder::From from);
// str.splitlines(): at \n, \r\n, \r, \v, \f, \x1c … \x1e, \x85, U+2028, U+2029.
std::vector<std::string_view> SplitLines(Runtime& run, std::string_view text,
                                         bool keep_ends = false);

// rjust, ljust, center: filled at that side up to `width` code points.
enum class Side { kLeft, kRight, kBoth };
Value Pad(Runtime& run, const StringObject& text, int64_t width, const std::string& fill,
          Side side);

// textwrap.wrap() of one line, as the filter wordwrap calls it: tabs and spaces stay as they are.
struct WrapStyle {
  int64_t width = 79;
  bool break_long_words = true;
  bool break_on_hyphens = true;
};
std::vector<std::string> WrapLine(Runtime& run, const std::string& line, const WrapStyle& style);

// & < > ' " as HTML.
std::string EscapeHtml(std::string_view text);
// Without comments and tags, white space as one blank each, entities of HTML as characters.
std::string StripTags(Runtime& run, std::string_view text);
// Percent-encoding of UTF-8 bytes; "/" stays, unless it is for a query, which also has + for space.
std::string QuoteUrl(std::string_view text, bool for_query);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_TEXT_EDIT_H_
