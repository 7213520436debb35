#include "quant/q6_k.h"

#include <cstring>

#include "quant/formats.h"
#include "quant/k_scales.h"

namespace moiety {
namespace {

using Block = Q6_K::Block;

void Encode(const float* x, const float* importance, std::byte* bytes) {
  const SymmetricKFit fit = FitSymmetricK(x, importance, -32, 31, 128);
  Block block = {};
  block.scale = fit.scale;
  std::memcpy(block.parts, fit.parts, sizeof(block.parts));
  for (int i = 0; i < 256; ++i) {
    const int q = fit.q[i] + 32;
    const int half = i / 128;
    const int at = i % 128;
    uint8_t& low = block.low[half * 64 + at % 64];
    low = static_cast<uint8_t>(low | (q & 15) << (at < 64 ? 0 : 4));
    uint8_t& high = block.high[half * 32 + at % 32];
    high = static_cast<uint8_t>(high | (q >> 4) << (2 * (at / 32)));
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ6K = MakeFormat<Q6_K>(Encode);

}  // namespace moiety
