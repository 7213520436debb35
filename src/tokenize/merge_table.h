// Merges of a BPE model by pair of token ids: a flat hash table, mostly one cache line per look-up.
#ifndef MOIETY_TOKENIZE_MERGE_TABLE_H_
#define MOIETY_TOKENIZE_MERGE_TABLE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace moiety {

class MergeTable {
 public:
  static constexpr uint32_t kNoPair = UINT32_MAX;       // nothing known of the pair
  static constexpr uint32_t kNoMerge = UINT32_MAX - 1;  // no merge, but neighbours in some token

  MergeTable() : slots_(4) {}

  void Set(int32_t left, int32_t right, uint32_t rank) {
    if (2 * (num_pairs_ + 1) > slots_.size()) Grow();
    Slot& slot = slots_[IndexOf(Key(left, right))];
    if (slot.key == kEmpty) ++num_pairs_;
    slot = {Key(left, right), rank};
  }

  // The rank of the merge, or kNoMerge, or kNoPair.
  uint32_t Rank(int32_t left, int32_t right) const {
    return slots_[IndexOf(Key(left, right))].rank;
  }

 private:
  static constexpr uint64_t kEmpty = UINT64_MAX;  // no key: ids are not negative
  struct Slot {
    uint64_t key = kEmpty;
    uint32_t rank = kNoPair;
  };

  static uint64_t Key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  // Multiplicative hashing (Knuth, volume 3, section 6.4) and linear probing, at most half full.
  size_t IndexOf(uint64_t key) const {
    const int shift = 64 - std::countr_zero(slots_.size());
    size_t i = ((key ^ key >> 29) * 0x9E3779B97F4A7C15U) >> shift;
    while (slots_[i].key != key && slots_[i].key != kEmpty) i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  void Grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key != kEmpty) slots_[IndexOf(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two
  size_t num_pairs_ = 0;
};

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_MERGE_TABLE_H_
