#include "quant/iq4_xs.h"

#include <cmath>
#include <cstring>

#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/iq4_table.h"

namespace moiety {
namespace {

using Block = IQ4_XS::Block;

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

const BlockFormat kFormatIq4Xs = MakeFormat<IQ4_XS>(Encode);

}  // namespace moiety
