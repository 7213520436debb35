// The decoder of models trained with connectionist temporal classification (Graves et al. 2006):
// of equal pieces in a row one is kept, and the blank piece says nothing.
#ifndef MOIETY_TOKENIZE_CTC_H_
#define MOIETY_TOKENIZE_CTC_H_

#include <memory>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/decoder.h"

namespace moiety {

// From {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true}. As in
// the reference the word delimiter becomes a space only with "cleanup".
Result<std::unique_ptr<const Decoder>> MakeCtc(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_CTC_H_
