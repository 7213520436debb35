// What kind of text a token is: for statistics of who handles what.
#ifndef MOIETY_TOKENIZE_TOKEN_CLASS_H_
#define MOIETY_TOKENIZE_TOKEN_CLASS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenize/tokenizer.h"

namespace moiety {

enum class TokenClass : uint8_t {
  kLetters,      // category L, but for those of kCjk
  kDigits,       // category N
  kPunctuation,  // category P, and the symbols of ASCII
  kWhitespace,   // nothing but white space
  kCjk,          // Han, kana, bopomofo, hangul
  kOther,        // other symbols, control characters, no character at all, special tokens
};
inline constexpr size_t kNumTokenClasses = 6;
// "letters", "digits", …: by TokenClass.
inline constexpr std::array<std::string_view, kNumTokenClasses> kTokenClassNames = {
    "letters", "digits", "punctuation", "whitespace", "cjk", "other"};

// The class that most characters of `text` (valid UTF-8) belong to; of equals the one that stands
// first above. White space counts only where there is nothing else, combining marks not at all.
TokenClass ClassOfText(std::string_view text);

struct TextToken {
  std::string text;  // empty for the first bytes of a character that later tokens complete
  TokenClass token_class = TokenClass::kOther;
};

// The tokens of a text as they stand in it: all texts joined are Tokenizer::Decode() of `ids` with
// its special tokens. A character that several tokens make is text of the last of them, and the
// others have its class.
std::vector<TextToken> TextTokens(const Tokenizer& tokenizer, std::span<const int32_t> ids);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_TOKEN_CLASS_H_
