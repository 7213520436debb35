// The pieces of a model's vocabulary: id → piece and piece → id.
#ifndef MOIETY_TOKENIZE_VOCABULARY_H_
#define MOIETY_TOKENIZE_VOCABULARY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"

namespace moiety {

// Ids may have gaps, but tables by id must stay in proportion to the file: ids of a vocabulary of
// `num_pieces` are below this (at most 2^24).
int64_t TokenIdLimit(size_t num_pieces);

// The token that stands for a byte: "<0x0A>".
std::string ByteToken(uint8_t byte);

// All pieces in one buffer, ids by an open-addressing table of hashes: no allocation per piece.
class Vocabulary {
 public:
  static constexpr int32_t kNone = -1;

  // `num_pieces`: how many will be added.
  explicit Vocabulary(size_t num_pieces);

  // Fails on an id out of bounds, an id or a piece that is there already. `id` is below
  // TokenIdLimit(num_pieces).
  Status Add(std::string_view piece, int64_t id);

  int32_t Find(std::string_view piece) const;       // kNone if absent
  std::array<int32_t, 256> FindByteTokens() const;  // by byte; kNone where one is absent
  // For any id; an absent one has no piece. (A piece may be empty too: see Contains.)
  std::string_view Piece(int32_t id) const;
  bool Contains(int64_t id) const;
  int32_t end_id() const { return static_cast<int32_t>(entries_.size()); }  // 1 + the largest id

 private:
  struct Entry {
    size_t begin = 0;
    uint32_t length = 0;
    bool present = false;
  };
  size_t SlotOf(std::string_view piece) const;  // where the piece is or would go

  int64_t id_limit_;
  size_t num_free_;
  std::string text_;
  std::vector<Entry> entries_;  // by id
  std::vector<int32_t> slots_;  // power of two, at most half full
};

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_VOCABULARY_H_
