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

  template <class Isa>
  MOIETY_INLINE static void Unpack(const Block& block, Codes& out) {
    out.scale = Isa::Half(block.scale);
    const auto low = LoadBytes<Bytes8>(block.parts);
    uint32_t high_bits;
    __builtin_memcpy(&high_bits, block.parts + 8, sizeof(high_bits));
    using Words [[gnu::vector_size(16)]] = uint32_t;
    const Words high = Words{high_bits, high_bits >> 2, high_bits >> 4, high_bits >> 6};
    const Bytes16 halves =
        __builtin_shufflevector(static_cast<Bytes8>(low & 15), static_cast<Bytes8>(low >> 4), 0, 1,
                                2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    StoreBytes(static_cast<Bytes16>((halves | ((Bytes16)high & 3) << 4) - 32), out.parts);
    const auto third = LoadBytes<Bytes32>(block.third);
    for (int p = 0; p < 8; ++p) {
      const auto four = LoadBytes<Bytes32>(block.low + p / 4 * 32);
      StoreBytes((four >> (2 * (p % 4)) & 3) | (third >> p & 1) << 2, out.codes + 32 * p);
    }
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q3_K_H_
