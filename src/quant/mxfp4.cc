// MXFP4, 4.25 bits per value: 32 values of 4-bit floats (E2M1) and a power of two (E8M0).
#include "quant/formats.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "quant/fit.h"

namespace moiety {
namespace {

struct Block {
  uint8_t exponent;      // of the scale, biased by 127
  uint8_t low_high[16];  // value i in the low half of byte i, value 16 + i in the high half
};
static_assert(sizeof(Block) == 17);

// Twice the values, which makes them integers, in the order of their bits: sign, exponent,
// fraction.
constexpr std::array<int16_t, 16> kTwice = {0, 1,  2,  3,  4,  6,  8,  12,
                                            0, -1, -2, -3, -4, -6, -8, -12};
constexpr std::array<int16_t, 8> kMagnitudes = {0, 1, 2, 3, 4, 6, 8, 12};

// 2^(exponent - 128): half the scale.
float HalfScale(uint8_t exponent) {
  return std::bit_cast<float>(exponent < 2 ? uint32_t{0x200000} << exponent
                                           : static_cast<uint32_t>(exponent - 1) << 23);
}

void Unpack(const std::byte* bytes, IntegerBlock& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  out.scale = HalfScale(block.exponent);
  out.min_scale = 0;
  for (int i = 0; i < 16; ++i) {
    out.values[i] = kTwice[block.low_high[i] & 15];
    out.values[16 + i] = kTwice[block.low_high[i] >> 4];
  }
}

uint8_t Encode(float x, float half_scale) {
  const auto magnitude =
      static_cast<uint8_t>(ClosestInTable(std::fabs(x), half_scale, kMagnitudes));
  return static_cast<uint8_t>(magnitude | (x < 0 && magnitude > 0 ? 8 : 0));
}

double Error(const float* x, const float* weights, float half_scale) {
  double error = 0;
  for (int i = 0; i < 32; ++i) {
    const float value = half_scale * static_cast<float>(kTwice[Encode(x[i], half_scale)]);
    const double difference = static_cast<double>(x[i]) - static_cast<double>(value);
    error += static_cast<double>(weights[i]) * difference * difference;
  }
  return error;
}

void Encode(const float* x, const float* importance, std::byte* bytes) {
  float weights[32];
  FitWeights(x, importance, 32, weights);
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::fmax(largest, std::fabs(x[i]));
  Block block = {};
  if (largest > 0) {
    // The scale that puts the largest value below 6, or the next smaller one, which cuts it off.
    int exponent = 0;
    std::frexp(largest / 6, &exponent);
    const int high = exponent + 127 < 0 ? 0 : exponent + 127 > 254 ? 254 : exponent + 127;
    const int low = high == 0 ? 0 : high - 1;
    const double error_high = Error(x, weights, HalfScale(static_cast<uint8_t>(high)));
    const double error_low = Error(x, weights, HalfScale(static_cast<uint8_t>(low)));
    block.exponent = static_cast<uint8_t>(error_low < error_high ? low : high);
  }
  const float half_scale = HalfScale(block.exponent);
  for (int i = 0; i < 16; ++i) {
    block.low_high[i] =
        static_cast<uint8_t>(Encode(x[i], half_scale) | Encode(x[16 + i], half_scale) << 4);
  }
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatMxfp4 = {DType::kMXFP4, 32, sizeof(Block), false, Unpack, Encode};

}  // namespace moiety
