#include "ops/rope.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"

namespace moiety {
namespace {

using Real = long double;
constexpr Real kPi = std::numbers::pi_v<Real>;

// Rows of a batch whose keys nobody reads.
Segment Rows(int64_t begin, int64_t count, int64_t position) {
  Segment segment;
  segment.begin = begin;
  segment.count = count;
  segment.position = position;
  return segment;
}

void ExpectClose(const std::vector<double>& found, const std::vector<Real>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    // ExactPow's 5e-15 and what the blends of the extensions add; an f32 table rounds by 6e-8.
    ASSERT_NEAR(found[i] / static_cast<double>(expected[i]), 1, 1e-13) << i;
  }
}

// Su et al. 2021, section 3.2.2: θ_i = base^(-2i/d).
std::vector<Real> Frequencies(Real theta, int head_dim) {
  std::vector<Real> f;
  for (int i = 0; i < head_dim / 2; ++i) f.push_back(std::pow(theta, -2.0L * i / head_dim));
  return f;
}

TEST(RopeFrequencies, FollowTheFormula) {
  for (const double theta : {10000.0, 500000.0, 1e6}) {
    for (const int head_dim : {2, 64, 80, 128}) {
      ExpectClose(RopeFrequencies(theta, head_dim), Frequencies(theta, head_dim));
    }
  }
  EXPECT_EQ(RopeFrequencies(10000, 128)[0], 1.0);
}

TEST(ScaleRopeLinear, DividesAll) {
  std::vector<double> f = RopeFrequencies(10000, 64);
  ScaleRopeLinear(f, 4);
  std::vector<Real> expected = Frequencies(10000, 64);
  for (Real& frequency : expected) frequency /= 4;
  ExpectClose(f, expected);
}

// The llama3 rule as published with Llama 3.1: by wavelength, with a blend between.
TEST(ScaleRopeLlama3, ByWavelength) {
  std::vector<double> f = RopeFrequencies(500000, 128);
  ScaleRopeLlama3(
      f, {.factor = 8, .low_freq_factor = 1, .high_freq_factor = 4, .original_context = 8192});
  std::vector<Real> expected = Frequencies(500000, 128);
  int kept = 0;
  int blended = 0;
  int slowed = 0;
  for (Real& frequency : expected) {
    const Real wavelength = 2 * kPi / frequency;
    if (wavelength < 8192.0L / 4) {
      ++kept;
    } else if (wavelength > 8192.0L / 1) {
      ++slowed;
      frequency /= 8;
    } else {
      ++blended;
      const Real smooth = (8192 / wavelength - 1) / (4 - 1);
      frequency = (1 - smooth) * (frequency / 8) + smooth * frequency;
    }
  }
  ExpectClose(f, expected);
  EXPECT_EQ(kept, 29);  // all three branches were taken
  EXPECT_EQ(blended, 6);
  EXPECT_EQ(slowed, 29);
}

// Peng et al. 2023, eq. 17-23: the dimension with r rotations is d·ln(L / 2πr) / 2·ln(base); below
// the one of beta_fast frequencies are kept, above the one of beta_slow interpolated.
std::vector<Real> Yarn(Real theta, int head_dim, Real factor, Real context, Real fast, Real slow,
                       bool truncate) {
  const auto dimension = [&](Real r) {
    return head_dim * std::log(context / (2 * kPi * r)) / (2 * std::log(theta));
  };
  Real low = dimension(fast);
  Real high = dimension(slow);
  if (truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0L);
  high = std::min(high, static_cast<Real>(head_dim - 1));
  std::vector<Real> f = Frequencies(theta, head_dim);
  for (int i = 0; i < head_dim / 2; ++i) {
    const Real gamma = 1 - std::clamp((i - low) / (high - low), 0.0L, 1.0L);  // share that is kept
    Real& frequency = f[static_cast<size_t>(i)];
    frequency = (1 - gamma) * frequency / factor + gamma * frequency;
  }
  return f;
}

TEST(ScaleRopeYarn, RampsBetweenTheTwoDimensions) {
  for (const bool truncate : {true, false}) {
    for (const int head_dim : {16, 64, 128}) {
      std::vector<double> f = RopeFrequencies(10000, head_dim);
      ScaleRopeYarn(f, 10000, {.factor = 16, .original_context = 4096, .truncate = truncate});
      const std::vector<Real> expected = Yarn(10000, head_dim, 16, 4096, 32, 1, truncate);
      ExpectClose(f, expected);
      EXPECT_EQ(f.front(), 1.0);  // turns often: kept
      EXPECT_NEAR(f.back() * 16 / static_cast<double>(Frequencies(10000, head_dim).back()), 1,
                  1e-12);
    }
  }
  std::vector<double> f = RopeFrequencies(1e6, 128);
  ScaleRopeYarn(f, 1e6, {.factor = 4, .beta_fast = 20, .beta_slow = 2, .original_context = 32768});
  ExpectClose(f, Yarn(1e6, 128, 4, 32768, 20, 2, true));
}

// Contexts so long or short for the base that an end of the ramp lies outside the dimensions.
TEST(ScaleRopeYarn, RampIsCutToTheDimensions) {
  struct Case {
    double theta;
    double context;
  };
  for (const auto& [theta, context] : {Case{100, 8192}, Case{10, 4096}, Case{10000, 64}}) {
    std::vector<double> f = RopeFrequencies(theta, 32);
    ScaleRopeYarn(f, theta, {.factor = 8, .original_context = context});
    ExpectClose(f, Yarn(theta, 32, 8, context, 32, 1, true));
  }
}

// Equal ends of the ramp: a step instead of a division by zero.
TEST(ScaleRopeYarn, EmptyRampIsAStep) {
  std::vector<double> f = RopeFrequencies(10000, 8);
  ScaleRopeYarn(
      f, 10000,
      {.factor = 2, .beta_fast = 3, .beta_slow = 3, .original_context = 4096, .truncate = false});
  const auto plain = RopeFrequencies(10000, 8);
  for (size_t i = 0; i < f.size(); ++i) {
    EXPECT_TRUE(f[i] == plain[i] || f[i] == plain[i] / 2) << i;
  }
}

TEST(YarnMscale, FollowsTheFormula) {
  EXPECT_EQ(YarnMscale(1, 1), 1.0);
  EXPECT_EQ(YarnMscale(0.5, 1), 1.0);
  EXPECT_NEAR(YarnMscale(16, 1), 1.2772588722239782, 1e-15);  // 0.1 ln 16 + 1
  EXPECT_NEAR(YarnMscale(40, 0.707), 1 + 0.0707 * 3.6888794541139363, 1e-15);
}

// Two sequences in one batch, at positions of their own.
TEST(ComputeRopeAngles, AreThoseOfEachRowsPosition) {
  Compute compute(2);
  const RopeTable table = MakeRopeTable(RopeFrequencies(10000, 10), 1.25);
  const std::vector<int32_t> ids(5);
  const Batch batch{.ids = ids, .segments = {Rows(0, 3, 7), Rows(3, 2, 100000)}, .logit_rows = {}};
  const RopeAngles angles = ComputeRopeAngles(compute.exec, batch, table);
  ASSERT_EQ(angles.cos.rows, 5);
  ASSERT_EQ(angles.sin.cols, 5);
  const std::vector<int64_t> positions = {7, 8, 9, 100000, 100001};
  for (int64_t row = 0; row < 5; ++row) {
    for (int64_t k = 0; k < 5; ++k) {
      // The angle is rounded to f32 first, as in the reference implementations.
      const float angle = static_cast<float>(positions[static_cast<size_t>(row)]) *
                          table.inverse_frequencies[static_cast<size_t>(k)];
      const auto exact = static_cast<Real>(angle);
      EXPECT_NEAR(static_cast<double>(angles.cos.Row(row)[k]),
                  static_cast<double>(std::cos(exact) * 1.25L), 2e-7);
      EXPECT_NEAR(static_cast<double>(angles.sin.Row(row)[k]),
                  static_cast<double>(std::sin(exact) * 1.25L), 2e-7);
    }
  }
}

TEST(ApplyRope, RotatesPairsHalfAHeadApart) {
  constexpr int64_t kRopeHeads = 3;
  constexpr int64_t kHalf = 9;
  constexpr int64_t kRows = 40;  // more than one task
  Compute compute(3);
  const RopeTable table = MakeRopeTable(RopeFrequencies(10000, 2 * kHalf), 1);
  const std::vector<int32_t> ids(kRows);
  const Batch batch{.ids = ids, .segments = {Rows(0, kRows, 3)}, .logit_rows = {}};
  const Matrix x = compute.NewRandomMatrix(kRows, kRopeHeads * 2 * kHalf, 1);
  const std::vector<float> before = Copy(x);
  const Matrix y = ApplyRope(compute.exec, x, ComputeRopeAngles(compute.exec, batch, table));
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t head = 0; head < kRopeHeads; ++head) {
      const int64_t at = row * x.cols + head * 2 * kHalf;
      for (int64_t k = 0; k < kHalf; ++k) {
        const Real angle = static_cast<Real>(static_cast<float>(3 + row) *
                                             table.inverse_frequencies[static_cast<size_t>(k)]);
        const auto a = static_cast<Real>(before[static_cast<size_t>(at + k)]);
        const auto b = static_cast<Real>(before[static_cast<size_t>(at + k + kHalf)]);
        // cos and sin are rounded, then one product and one fma: below 2^-22 for values below 1.
        ASSERT_NEAR(static_cast<double>(y.data[at + k]),
                    static_cast<double>(a * std::cos(angle) - b * std::sin(angle)), 0x1p-22);
        ASSERT_NEAR(static_cast<double>(y.data[at + k + kHalf]),
                    static_cast<double>(b * std::cos(angle) + a * std::sin(angle)), 0x1p-22);
      }
    }
  }
}

// What rope is for: a rotated query times a rotated key depends on their distance only.
TEST(ApplyRope, ProductsDependOnTheDistanceOnly) {
  constexpr int64_t kRopeDim = 16;
  const RopeTable table = MakeRopeTable(RopeFrequencies(10000, kRopeDim), 1);
  const auto product = [&](int64_t query_position, int64_t key_position) {
    Compute compute;
    const Matrix x = compute.NewMatrix(2, kRopeDim, RandomValues(2 * kRopeDim, 2));
    const std::vector<int32_t> ids(2);
    const Batch batch{.ids = ids,
                      .segments = {Rows(0, 1, query_position), Rows(1, 1, key_position)},
                      .logit_rows = {}};
    const Matrix y = ApplyRope(compute.exec, x, ComputeRopeAngles(compute.exec, batch, table));
    double sum = 0;
    for (int64_t d = 0; d < kRopeDim; ++d)
      sum += static_cast<double>(y.Row(0)[d]) * static_cast<double>(y.Row(1)[d]);
    return sum;
  };
  EXPECT_NEAR(product(12, 5), product(107, 100), 1e-4);  // an angle near 100 is rounded by 4e-6
  EXPECT_GT(std::abs(product(12, 5) - product(13, 5)), 1e-2);
}

// Neighbours as pairs come out half a head apart.
TEST(ApplyRopeGradients, OfBothPairings) {
  constexpr int64_t kPairs = 5;
  for (const bool interleaved : {false, true}) {
    RopeTable table = MakeRopeTable(RopeFrequencies(100, 2 * kPairs), 1.25);
    table.interleaved = interleaved;
    const std::vector<int32_t> ids(20);
    const Batch batch{.ids = ids, .segments = {Rows(0, 17, 0), Rows(17, 3, 0)}, .logit_rows = {}};
    ExpectGradients(
        {.inputs = {RandomInput(20, 3 * 2 * kPairs, 5)},
         .weights = {},
         .run =
             [&](Exec& exec, std::span<const Matrix> x) {
               return std::vector{ApplyRope(exec, x[0], ComputeRopeAngles(exec, batch, table))};
             },
         .formula =
             [&](const Reals& v) {
               std::vector<double> y(v[0].size());
               for (size_t head = 0; head < 20 * 3; ++head) {
                 const size_t row = head / 3;
                 const auto position = static_cast<float>(row < 17 ? row : row - 17);
                 for (size_t k = 0; k < kPairs; ++k) {
                   const auto angle = static_cast<double>(position * table.inverse_frequencies[k]);
                   const size_t at = head * 2 * kPairs;
                   const double a = v[0][at + (interleaved ? 2 * k : k)];
                   const double b = v[0][at + (interleaved ? 2 * k + 1 : k + kPairs)];
                   y[at + k] = 1.25 * (a * std::cos(angle) - b * std::sin(angle));
                   y[at + k + kPairs] = 1.25 * (b * std::cos(angle) + a * std::sin(angle));
                 }
               }
               return y;
             },
         .terms = 2});
  }
}

}  // namespace
}  // namespace moiety
