#include "quant/k_scales.h"

#include <algorithm>
#include <cmath>

#include "quant/fit.h"
#include "tensor/dtype.h"

namespace moiety {

void PackKScales(const KScales& s, uint8_t* packed) {
  for (int i = 0; i < 4; ++i) {
    packed[i] = static_cast<uint8_t>(s.scales[i] | (s.scales[4 + i] >> 4) << 6);
    packed[4 + i] = static_cast<uint8_t>(s.minimums[i] | (s.minimums[4 + i] >> 4) << 6);
    packed[8 + i] = static_cast<uint8_t>((s.scales[4 + i] & 15) | (s.minimums[4 + i] & 15) << 4);
  }
}

KFit FitK(const float* x, const float* importance, int high) {
  float weights[256];
  FitWeights(x, importance, 256, weights);
  ScaleAndMinimum parts[8];
  ScaleAndMinimum largest;
  for (int i = 0; i < 8; ++i) {
    parts[i] = FitScaleAndMinimum({x + 32 * i, 32}, weights + 32 * i, high);
    largest.scale = std::max(largest.scale, parts[i].scale);
    largest.minimum = std::max(largest.minimum, parts[i].minimum);
  }
  KFit fit;
  fit.scale = FiniteF16(largest.scale / 63);
  fit.min_scale = FiniteF16(largest.minimum / 63);
  const float scale = F16ToF32(fit.scale);
  const float min_scale = F16ToF32(fit.min_scale);
  for (int i = 0; i < 8; ++i) {
    fit.parts.scales[i] = static_cast<uint8_t>(QuantizeTo(parts[i].scale, scale, 0, 63));
    fit.parts.minimums[i] = static_cast<uint8_t>(QuantizeTo(parts[i].minimum, min_scale, 0, 63));
    const float part_scale = scale * static_cast<float>(fit.parts.scales[i]);
    const float minimum = min_scale * static_cast<float>(fit.parts.minimums[i]);
    for (int j = 32 * i; j < 32 * (i + 1); ++j) {
      fit.q[j] = static_cast<uint8_t>(QuantizeTo(x[j] + minimum, part_scale, 0, high));
    }
  }
  return fit;
}

SymmetricKFit FitSymmetricK(const float* x, const float* importance, int low, int high,
                            int least_scale) {
  float weights[256];
  FitWeights(x, importance, 256, weights);
  float parts[16];
  float largest = 0;
  for (int i = 0; i < 16; ++i) {
    parts[i] = FitScale({x + 16 * i, 16}, weights + 16 * i, low, high);
    if (std::fabs(parts[i]) > std::fabs(largest)) largest = parts[i];
  }
  SymmetricKFit fit;
  fit.scale = FiniteF16(largest / static_cast<float>(-least_scale));
  const float scale = F16ToF32(fit.scale);
  for (int i = 0; i < 16; ++i) {
    fit.parts[i] = static_cast<int8_t>(QuantizeTo(parts[i], scale, -least_scale, least_scale - 1));
    const float part_scale = scale * static_cast<float>(fit.parts[i]);
    for (int j = 16 * i; j < 16 * (i + 1); ++j) {
      fit.q[j] = static_cast<int8_t>(QuantizeTo(x[j], part_scale, low, high));
    }
  }
  return fit;
}

}  // namespace moiety
