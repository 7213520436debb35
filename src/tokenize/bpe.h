// Byte pair encoding (Sennrich, Haddow, Birch 2016, section 3.2), the model of most tokenizers.
//
// A word is first one symbol per character; then, again and again, the neighbours whose merge has
// the lowest rank (of equal ones the leftmost) become one symbol.
#ifndef MOIETY_TOKENIZE_BPE_H_
#define MOIETY_TOKENIZE_BPE_H_

#include <memory>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/model.h"

namespace moiety {

// From tokenizer.json's "model" of type BPE. Honours vocab, merges (["a", "b"] or "a b"),
// unk_token, fuse_unk, byte_fallback and ignore_merges; dropout and affixes of words are errors.
Result<std::unique_ptr<const TokenModel>> MakeBpe(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_BPE_H_
