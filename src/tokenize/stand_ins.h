// Characters that regular expressions see as the reference sees them. Its engine knows Unicode 16;
// PCRE2 knows what its release knew, so characters newer than Unicode 14 are searched as older ones
// of the same category.
#ifndef MOIETY_TOKENIZE_STAND_INS_H_
#define MOIETY_TOKENIZE_STAND_INS_H_

#include <cstdint>

namespace moiety {

// The character itself, for nearly all. Otherwise one with as many bytes in UTF-8, of the same
// general category and, for Han, Hiragana, Katakana and Hangul, of the same script.
uint32_t StandIn(uint32_t code_point);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_STAND_INS_H_
