#include "format/score_merges.h"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <unordered_set>

#include "base/utf8.h"

namespace moiety {
namespace {

struct Merge {
  std::string_view left, right;
  double score;  // of both as one piece
  int64_t left_characters, right_characters;
};

}  // namespace

std::vector<std::pair<std::string_view, std::string_view>> MergesOfScores(
    std::span<const ScoredPiece> pieces) {
  std::unordered_set<std::string_view> known;
  for (const ScoredPiece& piece : pieces) {
    if (piece.merges) known.insert(piece.text);
  }
  std::vector<Merge> merges;
  for (const ScoredPiece& piece : pieces) {
    if (!piece.merges) continue;
    const int64_t characters = CountCharacters(piece.text);
    int64_t left_characters = 0;
    for (size_t cut = 0; cut < piece.text.size(); ++cut) {
      if (IsUtf8Continuation(piece.text[cut])) continue;
      const std::string_view left = piece.text.substr(0, cut);
      const std::string_view right = piece.text.substr(cut);
      if (cut > 0 && known.contains(left) && known.contains(right)) {
        merges.push_back({left, right, piece.score, left_characters, characters - left_characters});
      }
      ++left_characters;
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return std::tuple(b.score, b.left_characters, b.right_characters) <
           std::tuple(a.score, a.left_characters, a.right_characters);
  });
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  pairs.reserve(merges.size());
  for (const Merge& merge : merges) pairs.emplace_back(merge.left, merge.right);
  return pairs;
}

}  // namespace moiety
