// Q3_K, 3.4375 bits per value: 16 parts of 16, x = d · (scale - 32) · (q - 4), q in [0, 7].
#include "quant/formats.h"

#include <cstring>

#include "quant/k_scales.h"

namespace moiety {
namespace {

struct Block {
  uint8_t third[32];  // bit 2 of value 32 · p + i at bit p of byte i
  uint8_t
      low[64];  // per 128 values: bits 0 and 1 of value 32 · p + i at bits 2 · p of byte i of 32
  // Scales: bits 0 to 3 of part i and 8 + i in the halves of byte i of 8, then bits 4 and 5 of part
  // 4 · p + i at bits 2 · p of byte i of 4.
  uint8_t parts[12];
  uint16_t scale;  // f16
};
static_assert(sizeof(Block) == 110);

void Unpack(const std::byte* bytes, IntegerBlock& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  out.scale = F16ToF32(block.scale);
  out.min_scale = 0;
  int parts[16];
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? block.parts[i] & 15 : block.parts[i - 8] >> 4;
    const int high = block.parts[8 + i % 4] >> (2 * (i / 4)) & 3;
    parts[i] = (low | high << 4) - 32;
  }
  for (int i = 0; i < 256; ++i) {
    const int low = block.low[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
    const int third = block.third[i % 32] >> (i / 32) & 1;
    out.values[i] = static_cast<int16_t>(((low | third << 2) - 4) * parts[i / 16]);
  }
}

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

const BlockFormat kFormatQ3K = {DType::kQ3_K, 256, sizeof(Block), false, Unpack, Encode};

}  // namespace moiety
