// MXFP4, 4.25 bits per value: 32 values of 4-bit floats (E2M1) and a power of two (E8M0).
#ifndef MOIETY_QUANT_MXFP4_H_
#define MOIETY_QUANT_MXFP4_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

// Twice the values, which makes them integers, in the order of their bits (sign, exponent,
// fraction), as codes with an offset of 12.
inline constexpr uint8_t kMxfp4Codes[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                            12, 11, 10, 9,  8,  6,  4,  0};

// The bits of 2^(exponent - 128), half the scale; the first two are subnormal.
template <class L>
MOIETY_INLINE typename L::Words Mxfp4HalfScale(typename L::Words exponent) {
  const auto subnormal = L::Below(exponent, 2);
  return (((exponent << 21) + 0x200000U) & subnormal) | (((exponent - 1) << 23) & ~subnormal);
}

struct MXFP4 {
  static constexpr DType kType = DType::kMXFP4;
  static constexpr int kValues = 32;
  static constexpr int kOffset = 12;
  static constexpr int kNumCodes = 32;  // a bound: the largest is 24
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = false;
  static constexpr bool kOddFirst = true;

  struct [[gnu::packed]] Block {
    uint8_t exponent;      // of the scale, biased by 127
    uint8_t low_high[16];  // value i in the low half of byte i, value 16 + i in the high half
  };
  static_assert(sizeof(Block) == 17);

  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::FromBits(Mxfp4HalfScale<L>(l.Odd()));
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    return L::LookUp(kMxfp4Codes, NibblesOf16(l.At(group % 4), group));
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_MXFP4_H_
