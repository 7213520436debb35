// Q4_K, 4.5 bits per value: 8 parts of 32, x = d · scale · q - dmin · minimum, q in [0, 15].
#ifndef MOIETY_QUANT_Q4_K_H_
#define MOIETY_QUANT_Q4_K_H_

#include "quant/codes.h"
#include "quant/k_scales.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q4_K {
  static constexpr DType kType = DType::kQ4_K;
  static constexpr int kValues = 256;
  static constexpr int kOffset = 0;
  static constexpr int kNumCodes = 16;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = true;

  struct [[gnu::packed]] Block {
    uint16_t scale;      // f16
    uint16_t min_scale;  // f16
    uint8_t parts[12];   // see k_scales.h
    // Per 64 values: value i in the low half of byte i, 32 + i in the high half.
    uint8_t low_high[128];
  };
  static_assert(sizeof(Block) == 144);

  template <class Isa>
  MOIETY_INLINE static void Unpack(const Block& block, Codes& out) {
    out.scale = Isa::Half(block.scale);
    out.min_scale = Isa::Half(block.min_scale);
    UnpackKScales(block.parts, out.parts, out.mins);
    for (int i = 0; i < 4; ++i) {
      const auto pair = LoadBytes<Bytes32>(block.low_high + 32 * i);
      StoreBytes(pair & 15, out.codes + 64 * i);
      StoreBytes(pair >> 4, out.codes + 64 * i + 32);
    }
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q4_K_H_
