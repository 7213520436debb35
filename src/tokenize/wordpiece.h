// WordPiece, the model of BERT (Devlin et al. 2019; the cutting is from Wu et al. 2016): a word is
// cut from the left, each time after the longest piece that fits. Pieces that do not start a word
// carry a prefix in the vocabulary ("##ing"). A word that cannot be cut up is unknown as a whole.
#ifndef MOIETY_TOKENIZE_WORDPIECE_H_
#define MOIETY_TOKENIZE_WORDPIECE_H_

#include <memory>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/model.h"

namespace moiety {

// From tokenizer.json's "model" of type WordPiece: vocab, unk_token (which must be in it),
// continuing_subword_prefix, and max_input_chars_per_word (a longer word is unknown).
Result<std::unique_ptr<const TokenModel>> MakeWordPiece(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_WORDPIECE_H_
