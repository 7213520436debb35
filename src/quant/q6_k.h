// Q6_K, 6.5625 bits per value: 16 parts of 16, x = d · scale · (q - 32), q in [0, 63].
#ifndef MOIETY_QUANT_Q6_K_H_
#define MOIETY_QUANT_Q6_K_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q6_K {
  static constexpr DType kType = DType::kQ6_K;
  static constexpr int kValues = 256;
  static constexpr int kOffset = 32;
  static constexpr int kNumCodes = 64;
  static constexpr int kEqualParts = 1;
  static constexpr bool kHasMins = false;

  struct [[gnu::packed]] Block {
    // Per 128 values: bits 0 to 3 of value i and 64 + i in the halves of byte i of 64.
    uint8_t low[128];
    // Per 128 values: bits 4 and 5 of value 32 · p + i at bits 2 · p of byte i of 32.
    uint8_t high[64];
    int8_t parts[16];
    uint16_t scale;  // f16
  };
  static_assert(sizeof(Block) == 210);

  template <class Isa>
  MOIETY_INLINE static void Unpack(const Block& block, Codes& out) {
    out.scale = Isa::Half(block.scale);
    __builtin_memcpy(out.parts, block.parts, sizeof(out.parts));
    for (int half = 0; half < 2; ++half) {
      const auto high = LoadBytes<Bytes32>(block.high + 32 * half);
      for (int i = 0; i < 2; ++i) {
        const auto low = LoadBytes<Bytes32>(block.low + 64 * half + 32 * i);
        uint8_t* codes = out.codes + 128 * half + 32 * i;
        StoreBytes((low & 15) | (high >> (2 * i) & 3) << 4, codes);
        StoreBytes(low >> 4 | (high >> (2 * i + 4) & 3) << 4, codes + 64);
      }
    }
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q6_K_H_
