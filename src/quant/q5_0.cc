// Q5_0, 5.5 bits per value: 32 values, x = d · (q - 16), q in [0, 31].
#include "quant/formats.h"

#include <cstring>

#include "quant/fit.h"

namespace moiety {
namespace {

struct Block {
  uint16_t scale;        // f16
  uint8_t fifth[4];      // bit 4 of value i at bit i
  uint8_t low_high[16];  // the others: value i in the low half of byte i, 16 + i in the high half
};
static_assert(sizeof(Block) == 22);

void Unpack(const std::byte* bytes, IntegerBlock& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  out.scale = F16ToF32(block.scale);
  out.min_scale = 0;
  uint32_t fifth;
  std::memcpy(&fifth, block.fifth, sizeof(fifth));
  for (int i = 0; i < 16; ++i) {
    const auto bit = [&](int value) { return static_cast<int>(fifth >> value & 1U) << 4; };
    out.values[i] = static_cast<int16_t>(((block.low_high[i] & 15) | bit(i)) - 16);
    out.values[16 + i] = static_cast<int16_t>(((block.low_high[i] >> 4) | bit(16 + i)) - 16);
  }
}

void Encode(const float* x, const float* importance, std::byte* bytes) {
  float weights[32];
  FitWeights(x, importance, 32, weights);
  Block block;
  block.scale = FiniteF16(FitScale({x, 32}, weights, -16, 15));
  const float scale = F16ToF32(block.scale);
  uint32_t fifth = 0;
  for (int i = 0; i < 16; ++i) {
    const auto low = static_cast<uint32_t>(QuantizeTo(x[i], scale, -16, 15) + 16);
    const auto high = static_cast<uint32_t>(QuantizeTo(x[16 + i], scale, -16, 15) + 16);
    block.low_high[i] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
    fifth |= (low >> 4) << i | (high >> 4) << (16 + i);
  }
  std::memcpy(block.fifth, &fifth, sizeof(fifth));
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ5_0 = {DType::kQ5_0, 32, sizeof(Block), false, Unpack, Encode};

}  // namespace moiety
