// Categories of characters as the reference sees them: those of Unicode 8, where what was assigned
// later belongs to none. So they are tables here and not what a newer Unicode library says.
#ifndef MOIETY_TOKENIZE_UNICODE_CATEGORIES_H_
#define MOIETY_TOKENIZE_UNICODE_CATEGORIES_H_

#include <cstdint>

namespace moiety {

bool IsPunctuation(uint32_t code_point);     // categories P*
bool IsNonspacingMark(uint32_t code_point);  // Mn
bool IsOther(uint32_t code_point);           // Cc, Cf, Co

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_UNICODE_CATEGORIES_H_
