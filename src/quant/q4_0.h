// Q4_0, 4.5 bits per value: 32 values, x = d · (q - 8), q in [0, 15].
#ifndef MOIETY_QUANT_Q4_0_H_
#define MOIETY_QUANT_Q4_0_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q4_0 {
  static constexpr DType kType = DType::kQ4_0;
  static constexpr int kValues = 32;
  static constexpr int kOffset = 8;
  static constexpr int kNumCodes = 16;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = false;
  static constexpr bool kOddFirst = true;

  struct [[gnu::packed]] Block {
    uint16_t scale;        // f16
    uint8_t low_high[16];  // value i in the low half of byte i, value 16 + i in the high half
  };
  static_assert(sizeof(Block) == 18);

  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::Half(l.Odd());
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    return NibblesOf16(l.At(group % 4), group);
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q4_0_H_
