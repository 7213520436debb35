// Q2_K, 2.625 bits per value: 16 parts of 16, x = d · scale · q - dmin · minimum, q in [0, 3].
#ifndef MOIETY_QUANT_Q2_K_H_
#define MOIETY_QUANT_Q2_K_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q2_K {
  static constexpr DType kType = DType::kQ2_K;
  static constexpr int kValues = 256;
  static constexpr int kOffset = 0;
  static constexpr int kNumCodes = 4;
  static constexpr int kEqualParts = 1;
  static constexpr bool kHasMins = true;

  struct [[gnu::packed]] Block {
    uint8_t parts[16];   // scale in the low half, minimum in the high half
    uint8_t q[64];       // per 128 values: value 32 · p + i at bits 2 · p of byte i of 32
    uint16_t scale;      // f16
    uint16_t min_scale;  // f16
  };
  static_assert(sizeof(Block) == 84);

  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::Half(l.At(20));
  }
  template <class L>
  MOIETY_INLINE static typename L::Floats MinScale(const L& l) {
    return L::Half(l.At(20) >> 16);
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Part(const L& l, int p) {
    return l.At(p / 4) >> (p % 4 * 8) & 15;
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Min(const L& l, int p) {
    return l.At(p / 4) >> (p % 4 * 8 + 4) & 15;
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    return l.At(4 + group / 32 * 8 + group % 8) >> (group / 8 % 4 * 2) & 0x03030303U;
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q2_K_H_
