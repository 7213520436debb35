#include "base/exact_math.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace moiety {
namespace {

// 2^n for n in [-126, 127].
float Pow2(int n) { return std::bit_cast<float>(static_cast<uint32_t>(n + 127) << 23); }
double Pow2Double(int64_t n) {
  return std::bit_cast<double>(static_cast<uint64_t>(n + 1023) << 52);
}

// x minus the nearest multiple of π/2, and that multiple modulo 4. π/2 in three parts of at most 33
// bits (fdlibm's), so that the first products are exact.
double ReduceByHalfPi(double x, int* quadrant) {
  constexpr double kTwoOverPi = 6.36619772367581382433e-01;
  constexpr double kPart1 = 1.57079632673412561417e+00;
  constexpr double kPart2 = 6.07710050630396597660e-11;
  constexpr double kPart3 = 2.02226624879595063154e-21;
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  const double n = (x * kTwoOverPi + kRound) - kRound;
  *quadrant = static_cast<int>(static_cast<int64_t>(n) & 3);
  return ((x - n * kPart1) - n * kPart2) - n * kPart3;
}

// Horner's rule, highest power first.
template <size_t N>
double Polynomial(const std::array<double, N>& coefficients, double x) {
  double sum = coefficients[0];
  for (size_t i = 1; i < N; ++i) sum = sum * x + coefficients[i];
  return sum;
}

// The coefficients sign^i / (first + 2 i)! for i < N, the last one first: Taylor series of sin and
// cos.
template <size_t N>
constexpr std::array<double, N> AlternatingSeries(int first) {
  std::array<double, N> series{};
  double term = 1;
  for (int k = 2; k <= first; ++k) term /= k;
  for (size_t i = 0; i < N; ++i) {
    series[N - 1 - i] = term;
    const int next = first + 2 * static_cast<int>(i) + 1;
    term /= -(next * (next + 1));
  }
  return series;
}

// Taylor series on |r| ≤ π/4: the first term left out is below 1e-18.
double SinOfReduced(double r) {
  static constexpr auto kSeries = AlternatingSeries<8>(3);
  const double z = r * r;
  return r - r * z * Polynomial(kSeries, z);
}

double CosOfReduced(double r) {
  static constexpr auto kSeries = AlternatingSeries<9>(2);
  const double z = r * r;
  return 1 - z * Polynomial(kSeries, z);
}

// 1/k! for k = 15 … 1: e^r - 1 over r on |r| ≤ 0.35, the first term left out is below 1e-19.
constexpr std::array<double, 15> kExpSeries = [] {
  std::array<double, 15> series{};
  double term = 1;
  for (size_t k = 1; k <= series.size(); ++k)
    series[series.size() - k] = term /= static_cast<double>(k);
  return series;
}();

// 1/k for k = 21, 19 … 3: atanh(s)/s - 1 over s².
constexpr std::array<double, 10> kAtanhSeries = [] {
  std::array<double, 10> series{};
  for (size_t i = 0; i < series.size(); ++i) series[i] = 1.0 / static_cast<double>(21 - 2 * i);
  return series;
}();

}  // namespace

float Exp(float x) {
  using namespace exp_constants;  // NOLINT(google-build-using-namespace): six names, one function
  if (x < kMin) return 0;
  if (x > kMax) return std::numeric_limits<float>::infinity();
  if (x != x) return x;
  const float n = std::fma(x, kLog2E, kRound) - kRound;
  float r = std::fma(-n, kLn2High, x);
  r = std::fma(-n, kLn2Low, r);
  float p = kC[0];
  for (int i = 1; i < 6; ++i) p = std::fma(p, r, kC[i]);
  p = std::fma(p, r * r, r) + 1.0F;
  // n can be 128, beyond one exponent: two factors.
  const int half = static_cast<int>(n) >> 1;
  return p * Pow2(half) * Pow2(static_cast<int>(n) - half);
}

double ExactExp(double x) {
  if (std::isnan(x)) return x;
  if (x < -708) return 0;
  if (x > 709) return std::numeric_limits<double>::infinity();
  constexpr double kLn2High = 6.93147180369123816490e-01;
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kRound = 6755399441055744.0;
  const double n = (x * 1.44269504088896338700 + kRound) - kRound;
  const double r = (x - n * kLn2High) - n * kLn2Low;
  const double sum = r * Polynomial(kExpSeries, r);
  const auto exponent = static_cast<int64_t>(n);
  const int64_t half = exponent / 2;
  return (1 + sum) * Pow2Double(half) * Pow2Double(exponent - half);
}

double ExactLog(double x) {
  // x = m · 2^e with m in [√½, √2); ln m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172.
  const auto bits = std::bit_cast<uint64_t>(x);
  auto e = static_cast<int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL);
  if (m > 1.41421356237309504880) {
    m *= 0.5;
    ++e;
  }
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  const double sum = z * Polynomial(kAtanhSeries, z);
  const auto n = static_cast<double>(e);
  return n * 6.93147180369123816490e-01 + (n * 1.90821492927058770002e-10 + (2 * s + 2 * s * sum));
}

double ExactSin(double x) {
  int quadrant = 0;
  const double r = ReduceByHalfPi(x, &quadrant);
  const double value = (quadrant & 1) != 0 ? CosOfReduced(r) : SinOfReduced(r);
  return (quadrant & 2) != 0 ? -value : value;
}

double ExactCos(double x) {
  int quadrant = 0;
  const double r = ReduceByHalfPi(x, &quadrant);
  const double value = (quadrant & 1) != 0 ? SinOfReduced(r) : CosOfReduced(r);
  return quadrant == 1 || quadrant == 2 ? -value : value;
}

double ExactTanh(double x) {
  const double e = ExactExp(-2 * std::abs(x));
  return std::copysign((1 - e) / (1 + e), x);
}

double ExactNormalDensity(double x) {
  constexpr double kScale = 0.39894228040143267794;  // 1 / √2π
  return kScale * ExactExp(-x * x / 2);
}

double ExactNormalCdf(double x) {
  constexpr double kEnd = 8.3;  // there what is left is below 1e-16
  if (std::isnan(x)) return x;
  if (x < -kEnd) return 0;
  if (x > kEnd) return 1;
  // Φ(x) = ½ + φ(x) · Σ x^(2n+1) / (1 · 3 · … · (2n+1)) (Marsaglia 2004): all terms have one sign.
  double term = x;
  double sum = x;
  double before = 0;
  for (double divisor = 3; sum != before; divisor += 2) {
    before = sum;
    term *= x * x / divisor;
    sum += term;
  }
  return std::max(0.0, 0.5 + ExactNormalDensity(x) * sum);
}

}  // namespace moiety
