// Replaces every occurrence of a fixed string, also in a text that arrives in parts.
#ifndef MOIETY_TOKENIZE_STRING_REPLACER_H_
#define MOIETY_TOKENIZE_STRING_REPLACER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "tokenize/component.h"

namespace moiety {

// Leftmost first, without overlaps. Linear in the text for any pattern (Knuth, Morris, Pratt 1977:
// after a mismatch the longest suffix that still begins the pattern goes on).
class StringReplacer {
 public:
  StringReplacer(std::string pattern, std::string content);  // pattern must not be empty

  std::string Replace(std::string_view text) const;

  // The same for a text in parts. `matched`, 0 at first, is how many bytes of the pattern the text
  // so far ends with; they are held back. Appends to `out` what is final.
  void Feed(std::string_view part, size_t& matched, std::string& out) const;
  // The text has ended: what was held back is no match.
  void Flush(size_t& matched, std::string& out) const;

  // The most that a text can grow by, as a factor; at least 1.
  double Growth() const;

 private:
  std::string pattern_;
  std::string content_;
  // shorter_[n]: length of the longest proper prefix of the pattern that ends its first n bytes.
  std::vector<size_t> shorter_;
};

// From {"type": "Replace", "pattern": {"String": …}, "content": …}, the same as a normalizer and as
// a decoder.
Result<StringReplacer> LoadStringReplacer(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_STRING_REPLACER_H_
