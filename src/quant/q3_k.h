// Q3_K, 3.4375 bits per value: 16 parts of 16, x = d · (scale - 32) · (q - 4), q in [0, 7].
#ifndef MOIETY_QUANT_Q3_K_H_
#define MOIETY_QUANT_Q3_K_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q3_K {
  static constexpr DType kType = DType::kQ3_K;
  static constexpr int kValues = 256;
  static constexpr int kOffset = 4;
  static constexpr int kNumCodes = 8;
  static constexpr int kEqualParts = 1;
  static constexpr bool kHasMins = false;
  static constexpr bool kOddFirst = false;

  struct [[gnu::packed]] Block {
    uint8_t third[32];  // bit 2 of value 32 · p + i at bit p of byte i
    // Per 128 values: bits 0 and 1 of value 32 · p + i at bits 2 · p of byte i of 32.
    uint8_t low[64];
    // Scales: bits 0 to 3 of part i and 8 + i in the halves of byte i of 8, then bits 4 and 5 of
    // part 4 · p + i at bits 2 · p of byte i of 4.
    uint8_t parts[12];
    uint16_t scale;  // f16
  };
  static_assert(sizeof(Block) == 110);

  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::Half(l.Odd());
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Part(const L& l, int p) {
    const auto low = l.At(24 + p % 8 / 4) >> (p % 4 * 8 + p / 8 * 4) & 15;
    return (low | (l.At(26) >> (p % 4 * 8 + p / 4 * 2) & 3) << 4) - 32;
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    const auto low = l.At(8 + group / 32 * 8 + group % 8) >> (group / 8 % 4 * 2) & 0x03030303U;
    return low | (l.At(group % 8) >> (group / 8) & 0x01010101U) << 2;
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q3_K_H_
