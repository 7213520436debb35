// Long texts in parts that can be tokenized, or have their words counted, one after the other.
#ifndef MOIETY_TOKENIZE_TEXT_PARTS_H_
#define MOIETY_TOKENIZE_TEXT_PARTS_H_

#include <cstddef>
#include <string_view>

namespace moiety {

// The length of a text's first part: about `bytes`, all of a shorter text. It ends before a line
// that is not blank, so that no run of line breaks is cut.
size_t TextPartLength(std::string_view text, size_t bytes);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_TEXT_PARTS_H_
