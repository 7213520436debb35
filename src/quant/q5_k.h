// Q5_K, 5.5 bits per value: 8 parts of 32, x = d · scale · q - dmin · minimum, q in [0, 31].
#ifndef MOIETY_QUANT_Q5_K_H_
#define MOIETY_QUANT_Q5_K_H_

#include "quant/codes.h"
#include "quant/k_scales.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q5_K : KParts {
  static constexpr DType kType = DType::kQ5_K;
  static constexpr int kValues = 256;
  static constexpr int kOffset = 0;
  static constexpr int kNumCodes = 32;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = true;

  struct [[gnu::packed]] Block {
    uint16_t scale;      // f16
    uint16_t min_scale;  // f16
    uint8_t parts[12];   // see k_scales.h
    uint8_t fifth[32];   // bit 4 of value 32 · p + i at bit p of byte i
    // Per 64 values: value i in the low half of byte i, 32 + i in the high half.
    uint8_t low_high[128];
  };
  static_assert(sizeof(Block) == 176);

  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    const auto low = l.At(12 + group / 16 * 8 + group % 8) >> (group / 8 % 2 * 4) & 0x0F0F0F0FU;
    return low | (l.At(4 + group % 8) >> (group / 8) & 0x01010101U) << 4;
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q5_K_H_
