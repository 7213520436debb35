#include "quant/fit.h"

#include <algorithm>
#include <cmath>

#include "tensor/dtype.h"

namespace moiety {
namespace {

// Candidates on either side of the scale that just covers the largest value, and how far apart they
// are in units of the last integer.
constexpr int kCandidates = 10;
constexpr double kStep = 0.1;

// Sums of a candidate, in double: a fit of 256 values must not depend on their order.
struct Fit {
  double scale = 0;
  double gain = 0;  // by how much the weighted sum of squares is less than with scale 0
};

template <class Quantize>
Fit FitOf(std::span<const float> x, const float* weights, const Quantize& quantize) {
  double xq = 0;
  double qq = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double q = quantize(x[i]);
    xq += static_cast<double>(weights[i]) * q * static_cast<double>(x[i]);
    qq += static_cast<double>(weights[i]) * q * q;
  }
  return qq == 0 ? Fit{} : Fit{xq / qq, xq * xq / qq};
}

// The value with the largest magnitude.
float Largest(std::span<const float> x) {
  float largest = 0;
  for (const float value : x) {
    if (std::fabs(value) > std::fabs(largest)) largest = value;
  }
  return largest;
}

int64_t ClosestTo(double x, std::span<const int16_t> table) {
  const auto above = std::lower_bound(table.begin(), table.end(), x,
                                      [](int16_t entry, double v) { return entry < v; });
  if (above == table.begin()) return 0;
  if (above == table.end()) return static_cast<int64_t>(table.size()) - 1;
  const int64_t index = above - table.begin();
  return x - *(above - 1) < *above - x ? index - 1 : index;
}

double Round(double x, int low, int high) {
  return std::clamp(std::nearbyint(x), static_cast<double>(low), static_cast<double>(high));
}

}  // namespace

void FitWeights(const float* x, const float* importance, int64_t n, float* weights) {
  double squares = 0;
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    total += importance == nullptr ? 1.0 : static_cast<double>(importance[i]);
  }
  const double mean_square = squares / static_cast<double>(n);
  // What the calibration never saw counts a little: it must not be lost.
  const double least = total > 0 ? 1e-4 * total / static_cast<double>(n) : 1;
  for (int64_t i = 0; i < n; ++i) {
    const double square = static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const double weight =
        importance == nullptr ? 1 : std::max(least, static_cast<double>(importance[i]));
    weights[i] = static_cast<float>(
        mean_square == 0 ? weight : weight * std::sqrt(1 + square / mean_square));
  }
}

float FitScale(std::span<const float> x, const float* weights, int low, int high) {
  const double largest = Largest(x);
  if (largest == 0) return 0;
  Fit best;
  // The bound with the larger magnitude takes the largest value.
  const double bound = -low >= high ? low : high;
  for (int candidate = -kCandidates; candidate <= kCandidates; ++candidate) {
    const double inverse = (bound + kStep * candidate * (bound < 0 ? -1 : 1)) / largest;
    const Fit fit =
        FitOf(x, weights, [&](float value) { return Round(inverse * value, low, high); });
    if (fit.gain > best.gain) best = fit;
  }
  return static_cast<float>(best.scale);
}

ScaleAndMinimum FitScaleAndMinimum(std::span<const float> x, const float* weights, int high,
                                   MinimumSign sign) {
  const auto [lowest, highest] = std::minmax_element(x.begin(), x.end());
  const bool any = sign == MinimumSign::kAny;
  const double least = any ? *lowest : std::min(0.0F, *lowest);
  const double range = static_cast<double>(*highest) - least;
  if (range <= 0) return {0, static_cast<float>(-least)};
  ScaleAndMinimum best;
  double best_error = -1;
  for (int candidate = -kCandidates; candidate <= 2 * kCandidates; ++candidate) {
    const double inverse = std::max(0.25, high + kStep * candidate) / range;
    double w = 0;
    double wx = 0;
    double wq = 0;
    double wqq = 0;
    double wqx = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double q = Round(inverse * (x[i] - least), 0, high);
      const double weight = weights[i];
      w += weight;
      wx += weight * x[i];
      wq += weight * q;
      wqq += weight * q * q;
      wqx += weight * q * x[i];
    }
    const double determinant = w * wqq - wq * wq;
    double scale = determinant > 0 ? (w * wqx - wx * wq) / determinant : 0;
    double minimum = determinant > 0 ? (wq * wqx - wqq * wx) / determinant : -wx / w;
    if ((minimum < 0 && !any) || determinant <= 0) {
      minimum = 0;
      scale = wqq > 0 ? wqx / wqq : 0;
    }
    if (scale <= 0) continue;
    double error = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double q = Round((x[i] + minimum) / scale, 0, high);
      const double difference = scale * q - minimum - x[i];
      error += static_cast<double>(weights[i]) * difference * difference;
    }
    if (best_error < 0 || error < best_error) {
      best_error = error;
      best = {static_cast<float>(scale), static_cast<float>(minimum)};
    }
  }
  return best;
}

float FitScaleOfTable(std::span<const float> x, const float* weights,
                      std::span<const int16_t> table) {
  const double largest = Largest(x);
  if (largest == 0) return 0;
  Fit best;
  // Both signs: the largest value may be best at either end of the table.
  for (const double bound :
       {static_cast<double>(table.front()), static_cast<double>(table.back())}) {
    for (int candidate = -kCandidates; candidate <= kCandidates; ++candidate) {
      const double inverse = bound * (1 + 0.02 * candidate) / largest;
      const Fit fit = FitOf(x, weights, [&](float value) -> double {
        return table[static_cast<size_t>(ClosestTo(inverse * value, table))];
      });
      if (fit.gain > best.gain) best = fit;
    }
  }
  return static_cast<float>(best.scale);
}

int64_t ClosestInTable(float x, float scale, std::span<const int16_t> table) {
  return ClosestTo(scale == 0 ? 0 : static_cast<double>(x) / static_cast<double>(scale), table);
}

int QuantizeTo(float x, float scale, int low, int high) {
  if (scale == 0) return std::clamp(0, low, high);
  return static_cast<int>(Round(static_cast<double>(x) / static_cast<double>(scale), low, high));
}

uint16_t FiniteF16(float value) {
  constexpr float kLargest = 65504;
  return F32ToF16(std::clamp(value, -kLargest, kLargest));
}

}  // namespace moiety
