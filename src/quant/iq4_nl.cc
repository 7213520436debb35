// IQ4_NL, 4.5 bits per value: 32 values, x = d · table[q].
#include "quant/formats.h"

#include <cstring>

#include "quant/fit.h"
#include "quant/iq4_table.h"

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
    out.values[i] = kIq4Table[block.low_high[i] & 15];
    out.values[16 + i] = kIq4Table[block.low_high[i] >> 4];
  }
}

void Encode(const float* x, const float* importance, std::byte* bytes) {
  float weights[32];
  FitWeights(x, importance, 32, weights);
  Block block;
  block.scale = FiniteF16(FitScaleOfTable({x, 32}, weights, kIq4Table));
  const float scale = F16ToF32(block.scale);
  for (int i = 0; i < 16; ++i) {
    block.low_high[i] = static_cast<uint8_t>(ClosestInTable(x[i], scale, kIq4Table) |
                                             ClosestInTable(x[16 + i], scale, kIq4Table) << 4);
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatIq4Nl = {DType::kIQ4_NL, 32, sizeof(Block), false, Unpack, Encode};

}  // namespace moiety
