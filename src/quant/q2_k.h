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

  template <class Isa>
  MOIETY_INLINE static void Unpack(const Block& block, Codes& out) {
    out.scale = Isa::Half(block.scale);
    out.min_scale = Isa::Half(block.min_scale);
    const auto parts = LoadBytes<Bytes16>(block.parts);
    StoreBytes(static_cast<Bytes16>(parts & 15), out.parts);
    StoreBytes(static_cast<Bytes16>(parts >> 4), out.mins);
    for (int p = 0; p < 8; ++p) {
      const auto four = LoadBytes<Bytes32>(block.q + p / 4 * 32);
      StoreBytes(four >> (2 * (p % 4)) & 3, out.codes + 32 * p);
    }
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q2_K_H_
