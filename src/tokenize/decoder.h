// Decoders: turn the pieces of a sequence of tokens back into text. Last stage of the pipeline that
// tokenizer.json describes; see tokenizer.h.
//
// The file defines a decoder on the list of all pieces. Here each is a state machine that is fed
// piece by piece and passes on what is final as early as it is known. So a growing sequence costs
// the same per token however long it is, and the text is the same as when decoding all at once.
#ifndef MOIETY_TOKENIZE_DECODER_H_
#define MOIETY_TOKENIZE_DECODER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "tokenize/component.h"

namespace moiety {

// One running state machine. A piece is any number of Text calls (whole characters, valid UTF-8)
// and one EndPiece; after the last piece comes one Finish.
class DecodeStage {
 public:
  virtual ~DecodeStage() = default;
  virtual void Text(std::string_view part) = 0;
  virtual void EndPiece() = 0;
  virtual void Finish() = 0;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // A machine that passes its output to `next`. The decoder must outlive it.
  virtual std::unique_ptr<DecodeStage> Start(std::unique_ptr<DecodeStage> next) const = 0;
  // The most that a long text can grow by, as a factor.
  virtual double Growth() const { return 1; }
};

using Decoders = std::vector<std::unique_ptr<const Decoder>>;

// A new type is a class and a row in the table of decoder.cc. Null joins the pieces with spaces.
Result<Decoders> LoadDecoders(const Component& component);

// The machine of all decoders together; it appends to `out`, which must outlive it.
std::unique_ptr<DecodeStage> StartDecoding(const Decoders& decoders, std::string& out);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_DECODER_H_
