#include "quant/q4_k.h"

#include <cstring>

#include "quant/formats.h"
#include "quant/k_scales.h"

namespace moiety {
namespace {

using Block = Q4_K::Block;

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

const BlockFormat kFormatQ4K = MakeFormat<Q4_K>(Encode);

}  // namespace moiety
