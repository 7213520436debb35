// Q5_0, 5.5 bits per value: 32 values, x = d · (q - 16), q in [0, 31].
#ifndef MOIETY_QUANT_Q5_0_H_
#define MOIETY_QUANT_Q5_0_H_

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

struct Q5_0 {
  static constexpr DType kType = DType::kQ5_0;
  static constexpr int kValues = 32;
  static constexpr int kOffset = 16;
  static constexpr int kNumCodes = 32;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = false;

  struct [[gnu::packed]] Block {
    uint16_t scale;        // f16
    uint8_t fifth[4];      // bit 4 of value i at bit i
    uint8_t low_high[16];  // the others: value i in the low half of byte i, 16 + i in the high half
  };
  static_assert(sizeof(Block) == 22);

  template <class Isa>
  MOIETY_INLINE static void Unpack(const Block& block, Codes& out) {
    out.scale = Isa::Half(block.scale);
    StoreBytes(Nibbles(block.low_high) | FifthBits(block.fifth), out.codes);
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q5_0_H_
