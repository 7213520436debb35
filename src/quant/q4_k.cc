// Q4_K, 4.5 bits per value: 8 parts of 32, x = d · scale · q - dmin · minimum, q in [0, 15].
#include "quant/formats.h"

#include <cstring>

#include "quant/k_scales.h"

namespace moiety {
namespace {

struct Block {
  uint16_t scale;      // f16
  uint16_t min_scale;  // f16
  uint8_t parts[12];   // see k_scales.h
  uint8_t
      low_high[128];  // per 64 values: value i in the low half of byte i, 32 + i in the high half
};
static_assert(sizeof(Block) == 144);

void Unpack(const std::byte* bytes, IntegerBlock& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  const KScales parts = UnpackKScales(block.parts);
  out.scale = F16ToF32(block.scale);
  out.min_scale = F16ToF32(block.min_scale);
  for (int i = 0; i < 256; ++i) {
    const uint8_t pair = block.low_high[i / 64 * 32 + i % 32];
    const int q = i % 64 < 32 ? pair & 15 : pair >> 4;
    out.values[i] = static_cast<int16_t>(q * parts.scales[i / 32]);
  }
  for (int i = 0; i < 16; ++i) out.mins[i] = parts.minimums[i / 2];
}

void Encode(const float* x, const float* importance, std::byte* bytes) {
  const KFit fit = FitK(x, importance, 15);
  Block block = {fit.scale, fit.min_scale, {}, {}};
  PackKScales(fit.parts, block.parts);
  for (int i = 0; i < 128; ++i) {
    const uint8_t* q = fit.q + i / 32 * 64 + i % 32;
    block.low_high[i] = static_cast<uint8_t>(q[0] | q[32] << 4);
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ4K = {DType::kQ4_K, 256, sizeof(Block), true, Unpack, Encode};

}  // namespace moiety
