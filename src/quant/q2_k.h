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

  template <class Half>
  MOIETY_INLINE static void Unpack(const Half& half, const Block& block, Codes& out) {
    out.scale = half(block.scale);
    out.min_scale = half(block.min_scale);
    for (int i = 0; i < 16; ++i) {
      out.parts[i] = static_cast<int8_t>(block.parts[i] & 15);
      out.mins[i] = static_cast<uint8_t>(block.parts[i] >> 4);
    }
    for (int p = 0; p < 8; ++p) {
      for (int i = 0; i < 32; ++i) {
        out.codes[32 * p + i] = block.q[p / 4 * 32 + i] >> (2 * (p % 4)) & 3;
      }
    }
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q2_K_H_
