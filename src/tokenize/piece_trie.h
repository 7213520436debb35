// A trie over the pieces of a vocabulary: finds, from left to right, all pieces that a text starts
// with. Of the models that look for pieces in words (Unigram, WordPiece).
#ifndef MOIETY_TOKENIZE_PIECE_TRIE_H_
#define MOIETY_TOKENIZE_PIECE_TRIE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "moiety/status.h"
#include "tokenize/vocabulary.h"

namespace moiety {

// Nodes in breadth-first order, so the children of a node stand together, sorted by byte: 9 bytes
// per node. Immutable; keeps no reference to the vocabulary.
class PieceTrie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNoNode = UINT32_MAX;
  // A text may start with this many bytes of a piece at each of its places, so it is what bounds
  // the time per byte.
  static constexpr size_t kMaxPieceBytes = 1024;

  PieceTrie() = default;  // of no pieces; only to be assigned to
  // Fails with kUnsupported for a longer piece, or more than 2^32 - 1 bytes of pieces. The empty
  // piece is left out.
  static Result<PieceTrie> Build(const Vocabulary& vocabulary);

  // The node that the byte leads to, kNoNode where no piece goes on so.
  Node Child(Node node, uint8_t byte) const {
    if (node == kRoot) return root_children_[byte];
    const Node end = first_child_[node + 1];
    for (Node child = first_child_[node]; child != end; ++child) {
      if (labels_[child] >= byte) return labels_[child] == byte ? child : kNoNode;
    }
    return kNoNode;
  }

  // The piece that ends here, Vocabulary::kNone if none does.
  int32_t Id(Node node) const { return ids_[node]; }

 private:
  std::array<Node, 256> root_children_{};
  std::vector<Node> first_child_;  // by node, and one more
  std::vector<uint8_t> labels_;    // the byte that leads to a node
  std::vector<int32_t> ids_;
};

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_PIECE_TRIE_H_
