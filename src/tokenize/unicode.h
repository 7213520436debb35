// What tokenizers ask of Unicode, answered by utf8proc: classes of characters, normal forms.
#ifndef MOIETY_TOKENIZE_UNICODE_H_
#define MOIETY_TOKENIZE_UNICODE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace moiety {

bool IsWhiteSpace(uint32_t code_point);  // White_Space
bool IsLetter(uint32_t code_point);      // category L
bool IsNumber(uint32_t code_point);      // category N
bool IsMark(uint32_t code_point);        // category M
// Category P, as the reference sees it (unicode_categories.h), and $, +, <, =, >, ^, `, |, ~.
bool IsPunctuationOrAsciiSymbol(uint32_t code_point);

// Where the white space begins that ends text[begin, end), valid UTF-8.
size_t WhiteSpaceBefore(std::string_view text, size_t begin, size_t end);
// Where the white space ends that begins at `begin`.
size_t WhiteSpaceAfter(std::string_view text, size_t begin);

// Unicode Standard Annex 15.
enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// `text` is valid UTF-8. Linear, also in long runs of combining marks.
std::string Normalize(std::string_view text, NormalForm form);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_UNICODE_H_
