// WordLevel: a word is one token, or unknown.
#ifndef MOIETY_TOKENIZE_WORD_LEVEL_H_
#define MOIETY_TOKENIZE_WORD_LEVEL_H_

#include <memory>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/model.h"

namespace moiety {

// From tokenizer.json's "model" of type WordLevel: vocab, and unk_token, which must be in it.
Result<std::unique_ptr<const TokenModel>> MakeWordLevel(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_WORD_LEVEL_H_
