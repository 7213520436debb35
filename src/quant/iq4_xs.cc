// IQ4_XS, 4.25 bits per value: 8 parts of 32, x = d · (scale - 32) · table[q].
#include "quant/formats.h"

#include <cmath>
#include <cstring>

#include "quant/fit.h"
#include "quant/iq4_table.h"

namespace moiety {
namespace {

struct Block {
  uint16_t scale;       // f16
  uint16_t parts_high;  // bits 4 and 5 of the scale of part p at bits 2 · p
  uint8_t
      parts_low[4];  // the others: of part 2 · i in the low half of byte i, 2 · i + 1 in the high
  uint8_t
      low_high[128];  // per 32 values: value i in the low half of byte i, 16 + i in the high half
};
static_assert(sizeof(Block) == 136);

void Unpack(const std::byte* bytes, IntegerBlock& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  out.scale = F16ToF32(block.scale);
  out.min_scale = 0;
  for (int i = 0; i < 256; ++i) {
    const int p = i / 32;
    const int low = block.parts_low[p / 2] >> (4 * (p % 2)) & 15;
    const int part = (low | (block.parts_high >> (2 * p) & 3) << 4) - 32;
    const uint8_t pair = block.low_high[p * 16 + i % 16];
    out.values[i] = static_cast<int16_t>(part * kIq4Table[i % 32 < 16 ? pair & 15 : pair >> 4]);
  }
}

void Encode(const float* x, const float* importance, std::byte* bytes) {
  float weights[256];
  FitWeights(x, importance, 256, weights);
  float parts[8];
  float largest = 0;
  for (int i = 0; i < 8; ++i) {
    parts[i] = FitScaleOfTable({x + 32 * i, 32}, weights + 32 * i, kIq4Table);
    if (std::fabs(parts[i]) > std::fabs(largest)) largest = parts[i];
  }
  Block block = {};
  block.scale = FiniteF16(largest / -32);
  const float scale = F16ToF32(block.scale);
  for (int p = 0; p < 8; ++p) {
    const int part = QuantizeTo(parts[p], scale, -32, 31);
    const auto bits = static_cast<unsigned>(part + 32);
    uint8_t& low = block.parts_low[p / 2];
    low = static_cast<uint8_t>(low | (bits & 15) << (4 * (p % 2)));
    block.parts_high = static_cast<uint16_t>(block.parts_high | (bits >> 4) << (2 * p));
    const float part_scale = scale * static_cast<float>(part);
    for (int i = 0; i < 16; ++i) {
      const float* value = x + 32 * p + i;
      block.low_high[16 * p + i] =
          static_cast<uint8_t>(ClosestInTable(value[0], part_scale, kIq4Table) |
                               ClosestInTable(value[16], part_scale, kIq4Table) << 4);
    }
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatIq4Xs = {DType::kIQ4_XS, 256, sizeof(Block), false, Unpack, Encode};

}  // namespace moiety
