// The decoder of BPE models whose pieces say where a word ends ("ing</w>").
#ifndef MOIETY_TOKENIZE_BPE_DECODER_H_
#define MOIETY_TOKENIZE_BPE_DECODER_H_

#include <memory>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/decoder.h"

namespace moiety {

// From {"type": "BPEDecoder", "suffix": "</w>"}: each suffix becomes a space, those of the last
// piece nothing.
Result<std::unique_ptr<const Decoder>> MakeBpeDecoder(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_BPE_DECODER_H_
