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

// 2^(exponent - 128): half the scale.
MOIETY_INLINE float Mxfp4HalfScale(uint8_t exponent) {
  const uint32_t bits =
      exponent < 2 ? uint32_t{0x200000} << exponent : static_cast<uint32_t>(exponent - 1) << 23;
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

struct MXFP4 {
  static constexpr DType kType = DType::kMXFP4;
  static constexpr int kValues = 32;
  static constexpr int kOffset = 12;
  static constexpr int kNumCodes = 32;  // a bound: the largest is 24
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = false;

  struct [[gnu::packed]] Block {
    uint8_t exponent;      // of the scale, biased by 127
    uint8_t low_high[16];  // value i in the low half of byte i, value 16 + i in the high half
  };
  static_assert(sizeof(Block) == 17);

  template <class Isa>
  MOIETY_INLINE static void Unpack(const Block& block, Codes& out) {
    out.scale = Mxfp4HalfScale(block.exponent);
    StoreBytes(Isa::LookUp(kMxfp4Codes, Nibbles(block.low_high)), out.codes);
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_MXFP4_H_
