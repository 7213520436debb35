// Precompiled: sentencepiece's table of replacements ("precompiled_charsmap"), as a normalizer.
#ifndef MOIETY_TOKENIZE_PRECOMPILED_H_
#define MOIETY_TOKENIZE_PRECOMPILED_H_

#include <memory>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/normalizer.h"

namespace moiety {

// From {"type": "Precompiled", "precompiled_charsmap": BASE64} with, in little-endian order,
//   uint32   size of the trie in bytes
//   uint32…  the trie: a double array as darts-clone builds it, from text to an offset in
//   bytes    the replacements, in UTF-8, each ended by a zero byte (or the end)
// Applied as the reference does, per grapheme cluster (Unicode's of utf8proc): one of less than 6
// bytes is replaced whole if the table has a key that it starts with, by what the shortest such key
// says; else each of its characters is, by itself. Fails where an offset of the trie points
// outside.
Result<std::unique_ptr<const Normalizer>> MakePrecompiled(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_PRECOMPILED_H_
