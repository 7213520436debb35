// Lower case as the reference makes it: character by character, by Unicode 17.
#ifndef MOIETY_TOKENIZE_UNICODE_LOWERCASE_H_
#define MOIETY_TOKENIZE_UNICODE_LOWERCASE_H_

#include <string>
#include <string_view>

namespace moiety {

// `text` is valid UTF-8; so is the result, which is at most 1.5 times as long. No character looks
// at its neighbours: a sigma at the end of a word is like any other.
std::string UnicodeLowercase(std::string_view text);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_UNICODE_LOWERCASE_H_
