// The Unigram language model (Kudo 2018, "Subword Regularization", section 3.2): every piece has a
// score, its log probability, and a word is cut where the sum of the scores is largest.
#ifndef MOIETY_TOKENIZE_UNIGRAM_H_
#define MOIETY_TOKENIZE_UNIGRAM_H_

#include <memory>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/model.h"

namespace moiety {

// From tokenizer.json's "model" of type Unigram: vocab ([piece, score] at the place of its id),
// unk_id, byte_fallback. Of equal cuts the reference's choice counts; unknown characters that stand
// together are one token. A file without unk_id is an error (the reference fails at the first
// unknown character). Time per byte of text is bounded by the longest piece, memory of a word is 16
// bytes per byte.
Result<std::unique_ptr<const TokenModel>> MakeUnigram(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_UNIGRAM_H_
