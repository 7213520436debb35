// Q2_K, 2.625 bits per value: 16 parts of 16, x = d · scale · q - dmin · minimum, q in [0, 3].
#include "quant/formats.h"

#include <algorithm>
#include <cstring>

#include "quant/fit.h"

namespace moiety {
namespace {

struct Block {
  uint8_t parts[16];   // scale in the low half, minimum in the high half
  uint8_t q[64];       // per 128 values: value 32 · p + i at bits 2 · p of byte i of 32
  uint16_t scale;      // f16
  uint16_t min_scale;  // f16
};
static_assert(sizeof(Block) == 84);

void Unpack(const std::byte* bytes, IntegerBlock& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  out.scale = F16ToF32(block.scale);
  out.min_scale = F16ToF32(block.min_scale);
  for (int i = 0; i < 256; ++i) {
    const int q = block.q[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
    out.values[i] = static_cast<int16_t>(q * (block.parts[i / 16] & 15));
  }
  for (int i = 0; i < 16; ++i) out.mins[i] = static_cast<int16_t>(block.parts[i] >> 4);
}

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

const BlockFormat kFormatQ2K = {DType::kQ2_K, 256, sizeof(Block), true, Unpack, Encode};

}  // namespace moiety
