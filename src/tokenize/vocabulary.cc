#include "tokenize/vocabulary.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/format.h"
#include "format/json.h"

namespace moiety {
namespace {

std::string Show(std::string_view piece) { return ShowJson(std::string(piece)); }

}  // namespace

int64_t TokenIdLimit(size_t num_pieces) {
  constexpr size_t kMax = size_t{1} << 24;
  return static_cast<int64_t>(std::min(kMax, 64 * (std::min(num_pieces, kMax) + 1024)));
}

std::string ByteToken(uint8_t byte) { return Format("<0x{:02X}>", byte); }

Vocabulary::Vocabulary(size_t num_pieces)
    : id_limit_(TokenIdLimit(num_pieces)),
      num_free_(num_pieces),
      slots_(std::bit_ceil(2 * num_pieces + 2), kNone) {}

size_t Vocabulary::SlotOf(std::string_view piece) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>()(piece) & mask;
  while (slots_[slot] != kNone && Piece(slots_[slot]) != piece) slot = (slot + 1) & mask;
  return slot;
}

Status Vocabulary::Add(std::string_view piece, int64_t id) {
  MOIETY_CHECK(num_free_ > 0);
  if (id < 0 || id >= id_limit_) {
    return InvalidData(
        Format("token {} must have an id from 0 to {}, found {}", Show(piece), id_limit_ - 1, id));
  }
  if (Contains(id)) {
    return InvalidData(Format("tokens {} and {} must not share the id {}",
                              Show(Piece(static_cast<int32_t>(id))), Show(piece), id));
  }
  const size_t slot = SlotOf(piece);
  if (slots_[slot] != kNone) {
    return InvalidData(
        Format("token {} must have one id, found {} and {}", Show(piece), slots_[slot], id));
  }
  --num_free_;
  slots_[slot] = static_cast<int32_t>(id);
  if (entries_.size() <= static_cast<size_t>(id)) entries_.resize(static_cast<size_t>(id) + 1);
  entries_[static_cast<size_t>(id)] = {text_.size(), static_cast<uint32_t>(piece.size()), true};
  text_ += piece;
  return OkStatus();
}

int32_t Vocabulary::Find(std::string_view piece) const { return slots_[SlotOf(piece)]; }

std::array<int32_t, 256> Vocabulary::FindByteTokens() const {
  std::array<int32_t, 256> ids{};
  for (size_t byte = 0; byte < ids.size(); ++byte) {
    ids[byte] = Find(ByteToken(static_cast<uint8_t>(byte)));
  }
  return ids;
}

std::string_view Vocabulary::Piece(int32_t id) const {
  if (!Contains(id)) return {};
  const Entry& entry = entries_[static_cast<size_t>(id)];
  return std::string_view(text_).substr(entry.begin, entry.length);
}

bool Vocabulary::Contains(int64_t id) const {
  return id >= 0 && id < end_id() && entries_[static_cast<size_t>(id)].present;
}

}  // namespace moiety
