// Q4_1, 5 bits per value: 32 values, x = d · q + m, q in [0, 15].
#include "quant/formats.h"

#include <cstring>

#include "quant/fit.h"

namespace moiety {
namespace {

struct Block {
  uint16_t scale;        // f16
  uint16_t minimum;      // f16, added
  uint8_t low_high[16];  // value i in the low half of byte i, value 16 + i in the high half
};
static_assert(sizeof(Block) == 20);

void Unpack(const std::byte* bytes, IntegerBlock& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  out.scale = F16ToF32(block.scale);
  out.min_scale = -F16ToF32(block.minimum);
  out.mins[0] = out.mins[1] = 1;
  for (int i = 0; i < 16; ++i) {
    out.values[i] = static_cast<int16_t>(block.low_high[i] & 15);
    out.values[16 + i] = static_cast<int16_t>(block.low_high[i] >> 4);
  }
}

void Encode(const float* x, const float* importance, std::byte* bytes) {
  float weights[32];
  FitWeights(x, importance, 32, weights);
  const ScaleAndMinimum fit = FitScaleAndMinimum({x, 32}, weights, 15, MinimumSign::kAny);
  Block block;
  block.scale = FiniteF16(fit.scale);
  block.minimum = FiniteF16(-fit.minimum);
  const float scale = F16ToF32(block.scale);
  const float minimum = F16ToF32(block.minimum);
  for (int i = 0; i < 16; ++i) {
    block.low_high[i] = static_cast<uint8_t>(QuantizeTo(x[i] - minimum, scale, 0, 15) |
                                             QuantizeTo(x[16 + i] - minimum, scale, 0, 15) << 4);
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ4_1 = {DType::kQ4_1, 32, sizeof(Block), true, Unpack, Encode};

}  // namespace moiety
