// What the decoders of a tokenizer.json make of pieces.
#ifndef MOIETY_TESTS_TOKENIZE_DECODE_PIECES_H_
#define MOIETY_TESTS_TOKENIZE_DECODE_PIECES_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tokenize/decoder.h"

namespace moiety {

// Each piece arrives in two parts, as it may. "error: …" where the component does not load.
inline std::string DecodePieces(const nlohmann::json& component,
                                const std::vector<std::string>& pieces) {
  const auto decoders = LoadDecoders({component, "f: decoder"});
  if (!decoders.ok()) return "error: " + decoders.status().message();
  std::string out;
  const auto stage = StartDecoding(*decoders, out);
  for (const std::string& piece : pieces) {
    size_t middle = piece.size() / 2;  // of the bytes; a part is whole characters
    while (middle > 0 && (static_cast<unsigned char>(piece[middle]) & 0xC0U) == 0x80U) --middle;
    stage->Text(piece.substr(0, middle));
    stage->Text(piece.substr(middle));
    stage->EndPiece();
  }
  stage->Finish();
  return out;
}

}  // namespace moiety

#endif  // MOIETY_TESTS_TOKENIZE_DECODE_PIECES_H_
