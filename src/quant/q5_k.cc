#include "quant/q5_k.h"

#include <cstring>

#include "quant/formats.h"
#include "quant/k_scales.h"

namespace moiety {
namespace {

using Block = Q5_K::Block;

void Encode(const float* x, const float* importance, std::byte* bytes) {
  const KFit fit = FitK(x, importance, 31);
  Block block = {fit.scale, fit.min_scale, {}, {}, {}};
  PackKScales(fit.parts, block.parts);
  for (int i = 0; i < 128; ++i) {
    const uint8_t* q = fit.q + i / 32 * 64 + i % 32;
    block.low_high[i] = static_cast<uint8_t>((q[0] & 15) | (q[32] & 15) << 4);
  }
  for (int i = 0; i < 256; ++i) {
    block.fifth[i % 32] = static_cast<uint8_t>(block.fifth[i % 32] | (fit.q[i] >> 4) << (i / 32));
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ5K = MakeFormat<Q5_K>(Encode);

}  // namespace moiety
