// The merges of a BPE tokenizer that has scores instead (SentencePiece's, as GGUF files keep them).
#ifndef MOIETY_FORMAT_SCORE_MERGES_H_
#define MOIETY_FORMAT_SCORE_MERGES_H_

#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace moiety {

struct ScoredPiece {
  std::string_view text;  // UTF-8
  double score = 0;
  bool merges = false;  // false for control, user-defined and byte tokens, and what fills up
};

// Every cut of a piece into two others, by falling score of the piece; of one score the longer left
// parts first, then longer right parts, then lower ids (the piece's index). This is the order in
// which transformers converts SentencePiece models. No text may be there twice.
//
// Looks at each cut of each piece: the caller bounds the length of pieces.
std::vector<std::pair<std::string_view, std::string_view>> MergesOfScores(
    std::span<const ScoredPiece> pieces);

}  // namespace moiety

#endif  // MOIETY_FORMAT_SCORE_MERGES_H_
