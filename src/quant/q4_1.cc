#include "quant/q4_1.h"

#include <cstring>

#include "quant/fit.h"
#include "quant/formats.h"

namespace moiety {
namespace {

using Block = Q4_1::Block;

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

const BlockFormat kFormatQ4_1 = MakeFormat<Q4_1>(Encode);

}  // namespace moiety
