#include "quant/q5_1.h"

#include <cstring>

#include "quant/fit.h"
#include "quant/formats.h"

namespace moiety {
namespace {

using Block = Q5_1::Block;

void Encode(const float* x, const float* importance, std::byte* bytes) {
  float weights[32];
  FitWeights(x, importance, 32, weights);
  const ScaleAndMinimum fit = FitScaleAndMinimum({x, 32}, weights, 31, MinimumSign::kAny);
  Block block;
  block.scale = FiniteF16(fit.scale);
  block.minimum = FiniteF16(-fit.minimum);
  const float scale = F16ToF32(block.scale);
  const float minimum = F16ToF32(block.minimum);
  uint32_t fifth = 0;
  for (int i = 0; i < 16; ++i) {
    const auto low = static_cast<uint32_t>(QuantizeTo(x[i] - minimum, scale, 0, 31));
    const auto high = static_cast<uint32_t>(QuantizeTo(x[16 + i] - minimum, scale, 0, 31));
    block.low_high[i] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
    fifth |= (low >> 4) << i | (high >> 4) << (16 + i);
  }
  std::memcpy(block.fifth, &fifth, sizeof(fifth));
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ5_1 = MakeFormat<Q5_1>(Encode);

}  // namespace moiety
