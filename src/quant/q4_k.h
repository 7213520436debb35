// Q4_K, 4.5 bits per value: 8 parts of 32, x = d · scale · q - dmin · minimum, q in [0, 15].
#ifndef MOIETY_QUANT_Q4_K_H_
#define MOIETY_QUANT_Q4_K_H_

#include "quant/codes.h"
#include "quant/k_scales.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q4_K : KParts {
  static constexpr DType kType = DType::kQ4_K;
  static constexpr int kValues = 256;
  static constexpr int kOffset = 0;
  static constexpr int kNumCodes = 16;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = true;

  struct [[gnu::packed]] Block {
    uint16_t scale;      // f16
    uint16_t min_scale;  // f16
    uint8_t parts[12];   // see k_scales.h
    // Per 64 values: value i in the low half of byte i, 32 + i in the high half.
    uint8_t low_high[128];
  };
  static_assert(sizeof(Block) == 144);

  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    return l.At(4 + group / 16 * 8 + group % 8) >> (group / 8 % 2 * 4) & 0x0F0F0F0FU;
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q4_K_H_
