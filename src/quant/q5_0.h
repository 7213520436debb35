// Q5_0, 5.5 bits per value: 32 values, x = d · (q - 16), q in [0, 31].
#ifndef MOIETY_QUANT_Q5_0_H_
#define MOIETY_QUANT_Q5_0_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q5_0 {
  static constexpr DType kType = DType::kQ5_0;
  static constexpr int kValues = 32;
  static constexpr int kOffset = 16;
  static constexpr int kNumCodes = 32;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = false;
  static constexpr bool kOddFirst = true;

  struct [[gnu::packed]] Block {
    uint16_t scale;        // f16
    uint8_t fifth[4];      // bit 4 of value i at bit i
    uint8_t low_high[16];  // the others: value i in the low half of byte i, 16 + i in the high half
  };
  static_assert(sizeof(Block) == 22);

  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::Half(l.Odd());
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    return NibblesOf16(l.At(1 + group % 4), group) | FifthBits(l.At(0), group);
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q5_0_H_
