#include "base/exact_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "support/bits.h"
#include "support/random_values.h"

namespace moiety {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double RelativeError(double value, long double expected) {
  return static_cast<double>(std::abs((static_cast<long double>(value) - expected) / expected));
}

// The bound of the header for Exp.
constexpr double kExpError = 1.2e-7;

TEST(Exp, DenseOverItsWholeRange) {
  double worst = 0;
  for (float x = -87.336F; x < 88.722F; x += 1.0F / 4096) {
    worst = std::max(worst, RelativeError(Exp(x), std::exp(static_cast<double>(x))));
  }
  EXPECT_LT(worst, kExpError);
}

// Random bit patterns reach every exponent, down to subnormals.
TEST(Exp, RandomFloats) {
  double worst = 0;
  int64_t tested = 0;
  for (uint32_t i = 0; i < 500000; ++i) {
    for (const uint32_t bits : Philox(11, {i, 0, 0, 0})) {
      const auto x = std::bit_cast<float>(bits);
      if (!(x > -87.336F && x < 88.722F)) continue;
      worst = std::max(worst, RelativeError(Exp(x), std::exp(static_cast<double>(x))));
      ++tested;
    }
  }
  EXPECT_LT(worst, kExpError);
  EXPECT_GT(tested, 1000000);
}

TEST(Exp, Edges) {
  EXPECT_EQ(Exp(0.0F), 1.0F);
  EXPECT_EQ(Exp(-0.0F), 1.0F);
  EXPECT_EQ(Exp(std::numeric_limits<float>::denorm_min()), 1.0F);
  EXPECT_EQ(Exp(-std::numeric_limits<float>::denorm_min()), 1.0F);
  EXPECT_EQ(Exp(-kInfinity), 0.0F);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Exp(-std::numeric_limits<float>::max()), 0.0F);
  EXPECT_EQ(Exp(std::numeric_limits<float>::max()), kInfinity);
  EXPECT_TRUE(std::isnan(Exp(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_FALSE(std::signbit(Exp(-1000.0F)));
}

// The last finite and the first infinite argument, and the last that is not 0: results there are
// normal, so no machine's handling of subnormals matters.
TEST(Exp, LastArgumentsOnBothSides) {
  constexpr float kLast = exp_constants::kMax;
  EXPECT_LT(RelativeError(Exp(kLast), std::exp(static_cast<double>(kLast))), kExpError);
  EXPECT_EQ(Exp(std::nextafter(kLast, kInfinity)), kInfinity);
  EXPECT_GT(std::exp(static_cast<double>(std::nextafter(kLast, kInfinity))),
            static_cast<double>(std::numeric_limits<float>::max()));
  constexpr float kFirst = exp_constants::kMin;
  EXPECT_LT(RelativeError(Exp(kFirst), std::exp(static_cast<double>(kFirst))), kExpError);
  EXPECT_GE(Exp(kFirst), std::numeric_limits<float>::min());
  EXPECT_EQ(Exp(std::nextafter(kFirst, -kInfinity)), 0.0F);
}

// Chosen bits, so that no change of the polynomial or of an operation's order goes unnoticed: all
// machines have computed these.
TEST(Exp, KeepsItsBits) {
  const auto hash_of = [](uint64_t seed, double scale) {
    uint64_t hash = 14695981039346656037U;  // FNV-1a
    for (const float x : RandomValues(500000, seed, scale)) {
      hash = (hash ^ Bits(Exp(x))) * 1099511628211U;
    }
    return hash;
  };
  EXPECT_EQ(hash_of(1, 1), 845373826160526831U);
  EXPECT_EQ(hash_of(2, 80), 17938486859186226689U);
}

// Doubles of (-scale, scale), with all 53 bits.
std::vector<double> RandomDoubles(int64_t count, uint64_t seed, double scale) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(scale * (2 * UniformDouble(seed, 1, static_cast<uint64_t>(i)) - 1));
  }
  return values;
}

TEST(ExactExp, AgreesWithLongDouble) {
  double worst = 0;
  for (const double scale : {1e-9, 0.3, 1.0, 20.0, 708.0}) {
    for (const double x : RandomDoubles(50000, 21, scale)) {
      worst = std::max(worst, RelativeError(ExactExp(x), std::exp(static_cast<long double>(x))));
    }
  }
  EXPECT_LT(worst, 1e-15);
  EXPECT_EQ(ExactExp(0), 1.0);
  EXPECT_EQ(ExactExp(-1000), 0.0);
  EXPECT_EQ(ExactExp(1000), std::numeric_limits<double>::infinity());
}

TEST(ExactLog, AgreesWithLongDouble) {
  double worst = 0;
  const auto test = [&](double x) {
    worst = std::max(worst, RelativeError(ExactLog(x), std::log(static_cast<long double>(x))));
  };
  for (const double exponent : RandomDoubles(50000, 22, 700)) test(ExactExp(exponent));
  for (const double x : RandomDoubles(50000, 23, 0.9)) test(1 + x);
  for (const double x : RandomDoubles(50000, 24, 1e-6)) test(1 + x);  // no cancellation at 1
  for (int i = 2; i <= 10000; ++i) test(i);
  test(std::numeric_limits<double>::min());
  test(std::numeric_limits<double>::max());
  EXPECT_LT(worst, 1e-15);
  EXPECT_EQ(ExactLog(1), 0.0);
}

TEST(ExactSinAndCos, AgreeWithLongDouble) {
  long double worst = 0;
  const auto test = [&](double x) {
    const auto exact = static_cast<long double>(x);
    worst = std::max(worst, std::abs(static_cast<long double>(ExactSin(x)) - std::sin(exact)));
    worst = std::max(worst, std::abs(static_cast<long double>(ExactCos(x)) - std::cos(exact)));
  };
  for (const double scale : {1e-5, 1.0, 10.0, 4096.0, 1e6}) {
    for (const double x : RandomDoubles(50000, 25, scale)) test(x);
  }
  // Near multiples of π/2 almost nothing is left after the reduction.
  for (int n = -600000; n <= 600000; n += 37) test(n * 1.57079632679489661923);
  EXPECT_LT(static_cast<double>(worst), 1e-15);
  EXPECT_EQ(ExactSin(0), 0.0);
  EXPECT_EQ(ExactCos(0), 1.0);
}

TEST(ExactTanh, AgreesWithLongDouble) {
  long double worst = 0;
  for (const double scale : {1e-6, 1e-3, 1.0, 30.0}) {
    for (const double x : RandomDoubles(50000, 28, scale)) {
      const auto exact = std::tanh(static_cast<long double>(x));
      worst = std::max(worst, std::abs(static_cast<long double>(ExactTanh(x)) - exact));
      EXPECT_EQ(ExactTanh(-x), -ExactTanh(x));
    }
  }
  EXPECT_LT(static_cast<double>(worst), 5e-16);
  EXPECT_EQ(ExactTanh(0), 0.0);
  EXPECT_EQ(ExactTanh(20), 1.0);
  EXPECT_EQ(ExactTanh(HUGE_VAL), 1.0);
  EXPECT_EQ(ExactTanh(-HUGE_VAL), -1.0);
  EXPECT_TRUE(std::isnan(ExactTanh(std::numeric_limits<double>::quiet_NaN())));
}

TEST(ExactNormal, AgreesWithLongDouble) {
  double density = 0;
  double cdf = 0;
  for (const double scale : {1e-6, 1.0, 9.0, 40.0}) {
    for (const double x : RandomDoubles(20000, 29, scale)) {
      const auto exact = static_cast<long double>(x);
      const long double phi =
          std::exp(-exact * exact / 2) / std::sqrt(2 * std::numbers::pi_v<long double>);
      density = std::max(
          density,
          std::abs(static_cast<double>(static_cast<long double>(ExactNormalDensity(x)) - phi)));
      const long double below = std::erfc(-exact / std::numbers::sqrt2_v<long double>) / 2;
      cdf = std::max(
          cdf, std::abs(static_cast<double>(static_cast<long double>(ExactNormalCdf(x)) - below)));
      EXPECT_GE(ExactNormalCdf(x), 0);
      EXPECT_LE(ExactNormalCdf(x), 1 + 2e-15);
    }
  }
  EXPECT_LT(density, 1e-15);
  EXPECT_LT(cdf, 2e-15);
  EXPECT_EQ(ExactNormalCdf(0), 0.5);
  EXPECT_EQ(ExactNormalCdf(-HUGE_VAL), 0.0);
  EXPECT_EQ(ExactNormalCdf(HUGE_VAL), 1.0);
  EXPECT_EQ(ExactNormalDensity(HUGE_VAL), 0.0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(ExactNormalDensity(nan)) && std::isnan(ExactNormalCdf(nan)));
}

// The use of ExactPow: rope frequencies θ^(-2i/d). The exponent of the result multiplies the error
// of the logarithm: |y ln x| ≤ 16.2 here.
TEST(ExactPow, AgreesWithLongDouble) {
  double worst = 0;
  for (const double theta : {10000.0, 500000.0, 1e6, 1e7}) {
    for (int i = 0; i < 1000; ++i) {
      const double exponent = -i / 1000.0;
      const long double expected =
          std::pow(static_cast<long double>(theta), static_cast<long double>(exponent));
      worst = std::max(worst, RelativeError(ExactPow(theta, exponent), expected));
    }
  }
  EXPECT_LT(worst, 5e-15);
  EXPECT_EQ(ExactPow(10000, 0), 1.0);
}

}  // namespace
}  // namespace moiety
