#include "quant/q4_0.h"

#include <cstring>

#include "quant/fit.h"
#include "quant/formats.h"

namespace moiety {
namespace {

using Block = Q4_0::Block;

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

const BlockFormat kFormatQ4_0 = MakeFormat<Q4_0>(Encode);

}  // namespace moiety
