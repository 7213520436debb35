// Q4_1, 5 bits per value: 32 values, x = d · q + m, q in [0, 15].
#ifndef MOIETY_QUANT_Q4_1_H_
#define MOIETY_QUANT_Q4_1_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q4_1 : AddedMinimum {
  static constexpr DType kType = DType::kQ4_1;
  static constexpr int kValues = 32;
  static constexpr int kOffset = 0;
  static constexpr int kNumCodes = 16;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = true;

  struct [[gnu::packed]] Block {
    uint16_t scale;        // f16
    uint16_t minimum;      // f16, added
    uint8_t low_high[16];  // value i in the low half of byte i, value 16 + i in the high half
  };
  static_assert(sizeof(Block) == 20);

  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    return NibblesOf16(l.At(1 + group % 4), group);
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q4_1_H_
