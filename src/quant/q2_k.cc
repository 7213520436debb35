#include "quant/q2_k.h"

#include <algorithm>
#include <cstring>

#include "quant/fit.h"
#include "quant/formats.h"

namespace moiety {
namespace {

using Block = Q2_K::Block;

void Encode(const float* x, const float* importance, std::byte* bytes) {
  float weights[256];
  FitWeights(x, importance, 256, weights);
  ScaleAndMinimum parts[16];
  ScaleAndMinimum largest;
  for (int i = 0; i < 16; ++i) {
    parts[i] = FitScaleAndMinimum({x + 16 * i, 16}, weights + 16 * i, 3);
    largest.scale = std::max(largest.scale, parts[i].scale);
    largest.minimum = std::max(largest.minimum, parts[i].minimum);
  }
  Block block = {};
  block.scale = FiniteF16(largest.scale / 15);
  block.min_scale = FiniteF16(largest.minimum / 15);
  const float scale = F16ToF32(block.scale);
  const float min_scale = F16ToF32(block.min_scale);
  for (int i = 0; i < 16; ++i) {
    const int part = QuantizeTo(parts[i].scale, scale, 0, 15);
    const int minimum = QuantizeTo(parts[i].minimum, min_scale, 0, 15);
    block.parts[i] = static_cast<uint8_t>(part | minimum << 4);
    for (int j = 16 * i; j < 16 * (i + 1); ++j) {
      const int q = QuantizeTo(x[j] + min_scale * static_cast<float>(minimum),
                               scale * static_cast<float>(part), 0, 3);
      uint8_t& byte = block.q[j / 128 * 32 + j % 32];
      byte = static_cast<uint8_t>(byte | q << (2 * (j % 128 / 32)));
    }
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ2K = MakeFormat<Q2_K>(Encode);

}  // namespace moiety
