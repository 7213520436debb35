// Fitting a scale (and a minimum) to a few values, so that the integers lose as little as possible.
#ifndef MOIETY_QUANT_FIT_H_
#define MOIETY_QUANT_FIT_H_

#include <cstdint>
#include <span>

namespace moiety {

// How much an error in each value of a block counts: its importance (null: the same for all), times
// more for a large value, which large activations tend to meet.
void FitWeights(const float* x, const float* importance, int64_t n, float* weights);

// The scale for which integers from [low, high], low < 0 < high, come closest to x: the least sum
// of weights · (x - scale · q)². 0 where all of x is 0; negative where the largest value needs
// `low`.
float FitScale(std::span<const float> x, const float* weights, int low, int high);

// The same with a minimum: x ≈ scale · q - minimum, q in [0, high], scale ≥ 0. Formats that keep
// the minimum without a sign need one ≥ 0.
enum class MinimumSign : uint8_t { kNotNegative, kAny };
struct ScaleAndMinimum {
  float scale = 0;
  float minimum = 0;
};
ScaleAndMinimum FitScaleAndMinimum(std::span<const float> x, const float* weights, int high,
                                   MinimumSign sign = MinimumSign::kNotNegative);

// The same for q from a table in ascending order with values of both signs.
float FitScaleOfTable(std::span<const float> x, const float* weights,
                      std::span<const int16_t> table);

// The index of the entry of a table in ascending order that is closest to x / scale (to 0 where
// scale is 0).
int64_t ClosestInTable(float x, float scale, std::span<const int16_t> table);

// x / scale rounded to the nearest integer in [low, high]; 0 (or the bound closest to it) where
// scale is 0.
int QuantizeTo(float x, float scale, int low, int high);

// An f16 that holds `value` as well as it can: rounded, and never infinite.
uint16_t FiniteF16(float value);

}  // namespace moiety

#endif  // MOIETY_QUANT_FIT_H_
