#include "quant/iq4_nl.h"

#include <cstring>

#include "quant/fit.h"
#include "quant/formats.h"
#include "quant/iq4_table.h"

namespace moiety {
namespace {

using Block = IQ4_NL::Block;

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

const BlockFormat kFormatIq4Nl = MakeFormat<IQ4_NL>(Encode);

}  // namespace moiety
