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

  template <class Isa>
  MOIETY_INLINE static void Unpack(const Block& block, Codes& out) {
    out.scale = Isa::Half(block.scale);
    int8_t parts[8];
    for (int p = 0; p < 8; ++p) {
      const int low = block.parts_low[p / 2] >> (4 * (p % 2)) & 15;
      parts[p] = static_cast<int8_t>((low | (block.parts_high >> (2 * p) & 3) << 4) - 32);
    }
    uint64_t eight;
    __builtin_memcpy(&eight, parts, sizeof(eight));
    StoreBytes(Twice(eight), out.parts);
    for (int p = 0; p < 8; ++p) {
      StoreBytes(Isa::LookUp(kIq4Codes.of, Nibbles(block.low_high + 16 * p)), out.codes + 32 * p);
    }
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_IQ4_XS_H_
