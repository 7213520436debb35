// Q6_K, 6.5625 bits per value: 16 parts of 16, x = d · scale · (q - 32), q in [0, 63].
#ifndef MOIETY_QUANT_Q6_K_H_
#define MOIETY_QUANT_Q6_K_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q6_K {
  static constexpr DType kType = DType::kQ6_K;
  static constexpr int kValues = 256;
  static constexpr int kOffset = 32;
  static constexpr int kNumCodes = 64;
  static constexpr int kEqualParts = 1;
  static constexpr bool kHasMins = false;
  static constexpr bool kOddFirst = false;

  struct [[gnu::packed]] Block {
    // Per 128 values: bits 0 to 3 of value i and 64 + i in the halves of byte i of 64.
    uint8_t low[128];
    // Per 128 values: bits 4 and 5 of value 32 · p + i at bits 2 · p of byte i of 32.
    uint8_t high[64];
    int8_t parts[16];
    uint16_t scale;  // f16
  };
  static_assert(sizeof(Block) == 210);

  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::Half(l.Odd());
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Part(const L& l, int p) {
    // Byte p % 4 with its sign.
    return (typename L::Words)(L::Signed(l.At(48 + p / 4) << (24 - p % 4 * 8)) >> 24);
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    const int quarter = group / 8 % 4;
    const auto low = l.At(group / 32 * 16 + quarter % 2 * 8 + group % 8) >> (quarter / 2 * 4);
    const auto high = l.At(32 + group / 32 * 8 + group % 8) >> (quarter * 2);
    return (low & 0x0F0F0F0FU) | (high & 0x03030303U) << 4;
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q6_K_H_
