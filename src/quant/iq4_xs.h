// IQ4_XS, 4.25 bits per value: 8 parts of 32, x = d · (scale - 32) · table[q].
#ifndef MOIETY_QUANT_IQ4_XS_H_
#define MOIETY_QUANT_IQ4_XS_H_

#include "quant/codes.h"
#include "quant/iq4_table.h"
#include "tensor/dtype.h"

namespace moiety {

struct IQ4_XS {
  static constexpr DType kType = DType::kIQ4_XS;
  static constexpr int kValues = 256;
  static constexpr int kOffset = 128;
  static constexpr int kNumCodes = 256;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = false;

  struct [[gnu::packed]] Block {
    uint16_t scale;       // f16
    uint16_t parts_high;  // bits 4 and 5 of the scale of part p at bits 2 · p
    // The others: of part 2 · i in the low half of byte i, 2 · i + 1 in the high half.
    uint8_t parts_low[4];
    // Per 32 values: value i in the low half of byte i, 16 + i in the high half.
    uint8_t low_high[128];
  };
  static_assert(sizeof(Block) == 136);

  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::Half(l.At(0));
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Part(const L& l, int p) {
    const auto high = l.At(0) >> (16 + 2 * p) & 3;
    return ((l.At(1) >> (4 * p) & 15) | high << 4) - 32;
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    const auto words = l.At(2 + group / 8 * 4 + group % 4);
    return L::LookUp(kIq4Codes.of, NibblesOf16(words, group));
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_IQ4_XS_H_
