#include "quant/q3_k.h"

#include <cstring>

#include "quant/formats.h"
#include "quant/k_scales.h"

namespace moiety {
namespace {

using Block = Q3_K::Block;

void Encode(const float* x, const float* importance, std::byte* bytes) {
  const SymmetricKFit fit = FitSymmetricK(x, importance, -4, 3, 32);
  Block block = {};
  block.scale = fit.scale;
  for (int i = 0; i < 16; ++i) {
    const int part = fit.parts[i] + 32;
    uint8_t& low = block.parts[i % 8];
    low = static_cast<uint8_t>(low | (part & 15) << (i < 8 ? 0 : 4));
    uint8_t& high = block.parts[8 + i % 4];
    high = static_cast<uint8_t>(high | (part >> 4) << (2 * (i / 4)));
  }
  for (int i = 0; i < 256; ++i) {
    const int q = fit.q[i] + 4;
    uint8_t& low = block.low[i / 128 * 32 + i % 32];
    low = static_cast<uint8_t>(low | (q & 3) << (2 * (i % 128 / 32)));
    uint8_t& third = block.third[i % 32];
    third = static_cast<uint8_t>(third | (q >> 2) << (i / 32));
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ3K = MakeFormat<Q3_K>(Encode);

}  // namespace moiety
