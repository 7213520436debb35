// Q3_K, 3.4375 bits per value: 16 parts of 16, x = d · (scale - 32) · (q - 4), q in [0, 7].
#ifndef MOIETY_QUANT_Q3_K_H_
#define MOIETY_QUANT_Q3_K_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q3_K {
  static constexpr DType kType = DType::kQ3_K;
  static constexpr int kValues = 256;
  static constexpr int kOffset = 4;
  static constexpr int kNumCodes = 8;
  static constexpr int kEqualParts = 1;
  static constexpr bool kHasMins = false;

  struct [[gnu::packed]] Block {
    uint8_t third[32];  // bit 2 of value 32 · p + i at bit p of byte i
    // Per 128 values: bits 0 and 1 of value 32 · p + i at bits 2 · p of byte i of 32.
    uint8_t low[64];
    // Scales: bits 0 to 3 of part i and 8 + i in the halves of byte i of 8, then bits 4 and 5 of
    // part 4 · p + i at bits 2 · p of byte i of 4.
    uint8_t parts[12];
    uint16_t scale;  // f16
  };
  static_assert(sizeof(Block) == 110);

  template <class Half>
  MOIETY_INLINE static void Unpack(const Half& half, const Block& block, Codes& out) {
    out.scale = half(block.scale);
    for (int i = 0; i < 16; ++i) {
      const int low = i < 8 ? block.parts[i] & 15 : block.parts[i - 8] >> 4;
      const int high = block.parts[8 + i % 4] >> (2 * (i / 4)) & 3;
      out.parts[i] = static_cast<int8_t>((low | high << 4) - 32);
    }
    for (int p = 0; p < 8; ++p) {
      for (int i = 0; i < 32; ++i) {
        const int low = block.low[p / 4 * 32 + i] >> (2 * (p % 4)) & 3;
        out.codes[32 * p + i] = static_cast<uint8_t>(low | (block.third[i] >> p & 1) << 2);
      }
    }
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q3_K_H_
