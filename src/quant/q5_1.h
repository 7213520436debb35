// Q5_1, 6 bits per value: 32 values, x = d · q + m, q in [0, 31].
#ifndef MOIETY_QUANT_Q5_1_H_
#define MOIETY_QUANT_Q5_1_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q5_1 : AddedMinimum {
  static constexpr DType kType = DType::kQ5_1;
  static constexpr int kValues = 32;
  static constexpr int kOffset = 0;
  static constexpr int kNumCodes = 32;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = true;

  struct [[gnu::packed]] Block {
    uint16_t scale;        // f16
    uint16_t minimum;      // f16, added
    uint8_t fifth[4];      // bit 4 of value i at bit i
    uint8_t low_high[16];  // the others: value i in the low half of byte i, 16 + i in the high half
  };
  static_assert(sizeof(Block) == 24);

  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    return NibblesOf16(l.At(2 + group % 4), group) | FifthBits(l.At(1), group);
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q5_1_H_
