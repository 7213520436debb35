// Q4_0, 4.5 bits per value: 32 values, x = d · (q - 8), q in [0, 15].
#include "quant/formats.h"

#include <cstring>

#include "quant/fit.h"

namespace moiety {
namespace {

struct Block {
  uint16_t scale;        // f16
  uint8_t low_high[16];  // value i in the low half of byte i, value 16 + i in the high half
};
static_assert(sizeof(Block) == 18);

void Unpack(const std::byte* bytes, IntegerBlock& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  out.scale = F16ToF32(block.scale);
  out.min_scale = 0;
  for (int i = 0; i < 16; ++i) {
    out.values[i] = static_cast<int16_t>((block.low_high[i] & 15) - 8);
    out.values[16 + i] = static_cast<int16_t>((block.low_high[i] >> 4) - 8);
  }
}

void Encode(const float* x, const float* importance, std::byte* bytes) {
  float weights[32];
  FitWeights(x, importance, 32, weights);
  Block block;
  block.scale = FiniteF16(FitScale({x, 32}, weights, -8, 7));
  const float scale = F16ToF32(block.scale);
  for (int i = 0; i < 16; ++i) {
    block.low_high[i] = static_cast<uint8_t>((QuantizeTo(x[i], scale, -8, 7) + 8) |
                                             (QuantizeTo(x[16 + i], scale, -8, 7) + 8) << 4);
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ4_0 = {DType::kQ4_0, 32, sizeof(Block), false, Unpack, Encode};

}  // namespace moiety
