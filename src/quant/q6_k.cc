// Q6_K, 6.5625 bits per value: 16 parts of 16, x = d · scale · (q - 32), q in [0, 63].
#include "quant/formats.h"

#include <cstring>

#include "quant/k_scales.h"

namespace moiety {
namespace {

struct Block {
  // Per 128 values: bits 0 to 3 of value i and 64 + i in the halves of byte i of 64.
  uint8_t low[128];
  // Per 128 values: bits 4 and 5 of value 32 · p + i at bits 2 · p of byte i of 32.
  uint8_t high[64];
  int8_t parts[16];
  uint16_t scale;  // f16
};
static_assert(sizeof(Block) == 210);

void Unpack(const std::byte* bytes, IntegerBlock& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  out.scale = F16ToF32(block.scale);
  out.min_scale = 0;
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int at = i % 128;
    const uint8_t pair = block.low[half * 64 + at % 64];
    const int low = at < 64 ? pair & 15 : pair >> 4;
    const int high = block.high[half * 32 + at % 32] >> (2 * (at / 32)) & 3;
    out.values[i] = static_cast<int16_t>(((low | high << 4) - 32) * block.parts[i / 16]);
  }
}

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

const BlockFormat kFormatQ6K = {DType::kQ6_K, 256, sizeof(Block), false, Unpack, Encode};

}  // namespace moiety
