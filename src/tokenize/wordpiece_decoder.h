// The decoder of WordPiece: pieces with the prefix ("##ing") join the one before, others follow
// after a space.
#ifndef MOIETY_TOKENIZE_WORDPIECE_DECODER_H_
#define MOIETY_TOKENIZE_WORDPIECE_DECODER_H_

#include <memory>
#include <string>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/decoder.h"

namespace moiety {

// From {"type": "WordPiece", "prefix": "##", "cleanup": true}.
Result<std::unique_ptr<const Decoder>> MakeWordPieceDecoder(const Component& component);

// What "cleanup" means, piece by piece: spaces before punctuation and before the short forms of
// English words go (" ." becomes ".", " do not" becomes " don't"). Never makes a text longer.
std::string CleanUpSpaces(std::string text);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_WORDPIECE_DECODER_H_
