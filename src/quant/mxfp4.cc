#include "quant/mxfp4.h"

#include <array>
#include <cmath>
#include <cstring>

#include "quant/fit.h"
#include "quant/formats.h"

namespace moiety {
namespace {

using Block = MXFP4::Block;

// Twice those without a sign.
constexpr std::array<int16_t, 8> kMagnitudes = {0, 1, 2, 3, 4, 6, 8, 12};

float HalfScale(int exponent) {
  using Lane = PlainLane<MXFP4>;
  return Lane::FromBits(Mxfp4HalfScale<Lane>(static_cast<uint32_t>(exponent)));
}

uint8_t Encode(float x, float half_scale) {
  const auto magnitude =
      static_cast<uint8_t>(ClosestInTable(std::fabs(x), half_scale, kMagnitudes));
  return static_cast<uint8_t>(magnitude | (x < 0 && magnitude > 0 ? 8 : 0));
}

double Error(const float* x, const float* weights, float half_scale) {
  double error = 0;
  for (int i = 0; i < 32; ++i) {
    const float value =
        half_scale * static_cast<float>(kMxfp4Codes[Encode(x[i], half_scale)] - MXFP4::kOffset);
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
    const double error_high = Error(x, weights, HalfScale(high));
    const double error_low = Error(x, weights, HalfScale(low));
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

const BlockFormat kFormatMxfp4 = MakeFormat<MXFP4>(Encode);

}  // namespace moiety
