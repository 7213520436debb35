// Codes: a block of any format as the integers that it holds; what products of blocks start from.
//
// Each format's header has its layout and how its numbers are found in it, which every instruction
// set compiles for itself: hence always inline and nothing of the standard library.
#ifndef MOIETY_QUANT_CODES_H_
#define MOIETY_QUANT_CODES_H_

#include <cstddef>
#include <cstdint>

#include "quant/block_format.h"

#define MOIETY_INLINE [[gnu::always_inline]] inline

namespace moiety {

// Value i is scale · parts[i / 16] · (codes[i] - offset of the format)
//            - min_scale · mins[i / 16].
struct Codes {
  float scale;
  float min_scale;  // not written by formats without minimums
  uint8_t codes[kMaxBlockValues];
  int8_t parts[kMaxParts];  // not written by formats of 32 values: 1
  uint8_t mins[kMaxParts];  // not written by formats without minimums
};

// A format is a type with
//
//   kType, kValues (32 or 256), kOffset, kNumCodes: codes are below it
//   kEqualParts: parts of neighbours that are the same number (2: a part has 32 values)
//   kHasMins
//   Block: the bytes, of any alignment
//   kOddFirst, if the bytes are not a multiple of 4: whether those that are too many come first
//   Scale(l), MinScale(l), Part(l, p), Min(l, p): as in Codes; p counts parts that differ
//   Codes(l, group): values [4 · group, 4 · group + 4), a byte each
//
// where `l` are lanes: blocks, one per lane, of one output (PlainLane) or of as many as a register
// has 32-bit lanes. Words are uint32 lanes, Floats their floats:
//
//   At(i): the i-th 4 bytes of the block; Odd(): those that are too many
//   Half(words): the f16 in the low halves; FromBits(words): floats of those bits
//   LookUp(table [16], words): entries of a table for each byte
//   Signed(words): as int32 lanes; Below(words, n): all bits of a lane, or none

template <class F>
inline constexpr int kOddBytes = sizeof(typename F::Block) % 4;
template <class F>
inline constexpr int kBlockWords = sizeof(typename F::Block) / 4;
// Odd bytes at the beginning.
template <class F>
inline constexpr int kHeadBytes = [] {
  if constexpr (kOddBytes<F> == 0)
    return 0;
  else
    return F::kOddFirst ? kOddBytes<F> : 0;
}();

// Of 32 values in 16 bytes, value i in the low half of byte i and 16 + i in the high half.
template <class Words>
MOIETY_INLINE Words NibblesOf16(Words bytes, int group) {
  return bytes >> (group / 4 % 2 * 4) & 0x0F0F0F0FU;
}

// Of 32 values, whose fifth bits are the bits of `bits`, those of a group at their places.
template <class Words>
MOIETY_INLINE Words FifthBits(Words bits, int group) {
  // Bit i goes to 8 · i: the product has it at i, 7 + i, 14 + i and 21 + i.
  return ((bits >> (4 * group) & 15) * 0x00204081U & 0x01010101U) << 4;
}

// What the first word of Q4_1 and Q5_1 says: the minimum is added, once per value.
struct AddedMinimum {
  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::Half(l.At(0));
  }
  template <class L>
  MOIETY_INLINE static typename L::Floats MinScale(const L& l) {
    return -L::Half(l.At(0) >> 16);
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Min(const L& /*l*/, int /*p*/) {
    return typename L::Words{} + 1;
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_CODES_H_
