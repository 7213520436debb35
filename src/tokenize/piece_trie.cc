#include "tokenize/piece_trie.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/format.h"
#include "format/json.h"

namespace moiety {

Result<PieceTrie> PieceTrie::Build(const Vocabulary& vocabulary) {
  std::vector<int32_t> sorted;
  size_t num_bytes = 0;
  for (int32_t id = 0; id < vocabulary.end_id(); ++id) {
    const std::string_view piece = vocabulary.Piece(id);
    if (piece.empty()) continue;  // also where there is no such id
    if (piece.size() > kMaxPieceBytes) {
      return Unsupported(Format("token {} must have at most {} bytes, found {}",
                                ShowJson(std::string(piece)), kMaxPieceBytes, piece.size()));
    }
    num_bytes += piece.size();
    sorted.push_back(id);
  }
  if (num_bytes >= kNoNode) return Unsupported("all tokens together have more than 2^32 bytes");
  std::sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) {
    return vocabulary.Piece(a) < vocabulary.Piece(b);  // as bytes
  });

  PieceTrie trie;
  // By node: the pieces that go through it, sorted[begin, end).
  struct Range {
    uint32_t begin;
    uint32_t end;
  };
  std::vector<Range> ranges = {{0, static_cast<uint32_t>(sorted.size())}};
  trie.labels_.push_back(0);
  size_t depth = 0;
  size_t level_end = 1;  // of the nodes at this depth
  for (size_t node = 0; node < ranges.size(); ++node) {
    if (node == level_end) {
      ++depth;
      level_end = ranges.size();
    }
    auto [begin, end] = ranges[node];
    const bool is_piece = begin != end && vocabulary.Piece(sorted[begin]).size() == depth;
    trie.ids_.push_back(is_piece ? sorted[begin++] : Vocabulary::kNone);
    trie.first_child_.push_back(static_cast<Node>(ranges.size()));
    while (begin != end) {
      const char byte = vocabulary.Piece(sorted[begin])[depth];
      uint32_t next = begin + 1;
      while (next != end && vocabulary.Piece(sorted[next])[depth] == byte) ++next;
      trie.labels_.push_back(static_cast<uint8_t>(byte));
      ranges.push_back({begin, next});
      begin = next;
    }
  }
  trie.first_child_.push_back(static_cast<Node>(ranges.size()));

  trie.root_children_.fill(kNoNode);
  for (Node child = trie.first_child_[0]; child != trie.first_child_[1]; ++child) {
    trie.root_children_[trie.labels_[child]] = child;
  }
  return trie;
}

}  // namespace moiety
