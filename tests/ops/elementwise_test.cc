#include "ops/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <span>
#include <vector>

#include "ops/linear.h"
#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/owned_weight.h"

namespace moiety {
namespace {

constexpr float kEps = 1e-5F;

// Norm of the `n` values at x, in double.
std::vector<double> NormOf(const float* x, int64_t n, const OwnedWeight& gain) {
  double squares = 0;
  for (int64_t k = 0; k < n; ++k) squares += static_cast<double>(x[k]) * static_cast<double>(x[k]);
  const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(kEps));
  std::vector<double> y;
  for (int64_t k = 0; k < n; ++k) y.push_back(static_cast<double>(x[k]) * scale * gain.at(k));
  return y;
}

// Half the roundings of the lane sum (the root halves them) and six more.
double NormError(int64_t n) { return (static_cast<double>(n) / 32 + 9) * 0x1p-24; }

// Shapes around what one task takes (16384 values), and no rows at all.
struct RowShape {
  int64_t rows;
  int64_t cols;
};
constexpr std::array<RowShape, 6> kShapes = {
    {{0, 8}, {1, 1}, {3, 17}, {100, 257}, {5, 16384}, {2, 20000}}};

TEST(RmsNorm, NormalisesEachRow) {
  Compute compute(3);
  for (const auto& [rows, cols] : kShapes) {
    const Matrix x = compute.NewRandomMatrix(rows, cols, 1, 3);
    const OwnedWeight gain = OwnedWeight::Random({cols}, 2);
    const std::vector<float> before = Copy(x);
    const Matrix y = RmsNorm(compute.exec, x, gain.ref(), kEps);
    ASSERT_EQ(y.rows, rows);
    ASSERT_EQ(y.cols, cols);
    EXPECT_TRUE(SameBits(Values(x), before)) << "the residual stream is still needed";
    for (int64_t i = 0; i < rows; ++i) {
      const std::vector<double> expected = NormOf(x.Row(i), cols, gain);
      for (size_t k = 0; k < expected.size(); ++k) {
        ASSERT_NEAR(static_cast<double>(y.Row(i)[k]), expected[k],
                    NormError(cols) * std::abs(expected[k]));
      }
    }
  }
}

TEST(RmsNormHeads, NormalisesEachHeadOfEachRow) {
  Compute compute(3);
  for (const int64_t heads : {1, 2, 7}) {
    for (const int64_t n : {2, 16, 40}) {
      const Matrix x = compute.NewRandomMatrix(500, heads * n, 3);
      const OwnedWeight gain = OwnedWeight::Random({n}, 4);
      const std::vector<float> before = Copy(x);
      const Matrix y = RmsNormHeads(compute.exec, x, gain.ref(), kEps);
      ASSERT_EQ(y.rows, 500);
      ASSERT_EQ(y.cols, heads * n);
      for (int64_t h = 0; h < 500 * heads; ++h) {
        const std::vector<double> expected = NormOf(before.data() + h * n, n, gain);
        for (size_t k = 0; k < expected.size(); ++k) {
          ASSERT_NEAR(static_cast<double>(y.data[h * n + static_cast<int64_t>(k)]), expected[k],
                      NormError(n) * std::abs(expected[k]));
        }
      }
    }
  }
}

TEST(Add, AddsEveryValue) {
  Compute compute(3);
  for (const auto& [rows, cols] : kShapes) {
    const Matrix x = compute.NewRandomMatrix(rows, cols, 7);
    const Matrix y = compute.NewRandomMatrix(rows, cols, 8);
    const std::vector<float> before = Copy(x);
    const Matrix sum = Add(compute.exec, x, y);
    ASSERT_EQ(sum.size(), rows * cols);
    for (size_t i = 0; i < before.size(); ++i) ASSERT_EQ(sum.data[i], before[i] + y.data[i]);
  }
}

TEST(AddGated, AddsTheShareOfEachRow) {
  Compute compute(3);
  for (const auto& [rows, cols] : kShapes) {
    const Matrix x = compute.NewRandomMatrix(rows, cols, 16);
    const Matrix y = compute.NewRandomMatrix(rows, cols, 17);
    const Matrix gate = compute.NewRandomMatrix(rows, 1, 18, 20);
    const std::vector<float> before = Copy(x);
    const Matrix sum = AddGated(compute.exec, x, gate, y);
    ASSERT_EQ(sum.size(), rows * cols);
    for (int64_t i = 0; i < sum.size(); ++i) {
      const double share = 1 / (1 + std::exp(-static_cast<double>(gate.data[i / cols])));
      const double added = share * static_cast<double>(y.data[i]);
      const double expected = static_cast<double>(before[static_cast<size_t>(i)]) + added;
      ASSERT_NEAR(static_cast<double>(sum.data[i]), expected,
                  3e-7 * std::abs(added) + 0x1p-24 * std::abs(expected));
    }
  }
}

TEST(Scale, MultipliesEveryValue) {
  Compute compute(3);
  for (const auto& [rows, cols] : kShapes) {
    const Matrix x = compute.NewRandomMatrix(rows, cols, 19);
    const std::vector<float> before = Copy(x);
    const Matrix y = Scale(compute.exec, x, 5.65685F);
    ASSERT_EQ(y.size(), rows * cols);
    for (size_t i = 0; i < before.size(); ++i) ASSERT_EQ(y.data[i], before[i] * 5.65685F);
  }
}

TEST(Clamp, KeepsWhatIsInside) {
  Compute compute(3);
  for (const auto& [rows, cols] : kShapes) {
    const Matrix x = compute.NewRandomMatrix(rows, cols, 20, 3);
    const std::vector<float> before = Copy(x);
    const Matrix y = Clamp(compute.exec, x, 0.75F);
    ASSERT_EQ(y.size(), rows * cols);
    for (size_t i = 0; i < before.size(); ++i) {
      ASSERT_EQ(y.data[i], std::min(std::max(before[i], -0.75F), 0.75F));
    }
  }
}

TEST(SoftCap, BendsTowardsTheCap) {
  Compute compute(3);
  for (const float scale : {1e-4F, 1.0F, 100.0F}) {
    const Matrix x = compute.NewRandomMatrix(7, 300, 21, scale);
    const std::vector<float> before = Copy(x);
    const Matrix y = SoftCap(compute.exec, x, 30);
    for (size_t i = 0; i < before.size(); ++i) {
      const double expected = 30 * std::tanh(static_cast<double>(before[i]) / 30);
      ASSERT_NEAR(static_cast<double>(y.data[i]), expected, 0x1p-24 * std::abs(expected) + 1e-14);
    }
  }
}

// Norms of each n elements.
std::vector<double> NormsOf(RealSpan x, RealSpan gain) {
  const size_t n = gain.size();
  std::vector<double> y;
  for (size_t i = 0; i < x.size(); i += n) {
    double squares = 0;
    for (size_t k = 0; k < n; ++k) squares += x[i + k] * x[i + k];
    const double scale =
        1 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(kEps));
    for (size_t k = 0; k < n; ++k) y.push_back(x[i + k] * scale * gain[k]);
  }
  return y;
}

TEST(RmsNormGradients, OfInputAndGain) {
  for (const auto& [rows, cols] : std::vector<RowShape>{{2, 2}, {3, 17}, {130, 70}, {1, 300}}) {
    const OwnedWeight gain = OwnedWeight::Random({cols}, 30);
    ExpectGradients({.inputs = {RandomInput(rows, cols, 31, 2)},
                     .weights = {&gain},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           return std::vector{RmsNorm(exec, x[0], gain.ref(), kEps)};
                         },
                     .formula = [](const Reals& v) { return NormsOf(v[0], v[1]); },
                     .terms = std::max(rows, 2 * cols)});
  }
}

TEST(RmsNormHeadsGradients, OfInputAndGain) {
  for (const int64_t heads : {1, 3}) {
    const OwnedWeight gain = OwnedWeight::Random({20}, 32);
    ExpectGradients({.inputs = {RandomInput(40, heads * 20, 33)},
                     .weights = {&gain},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           return std::vector{RmsNormHeads(exec, x[0], gain.ref(), kEps)};
                         },
                     .formula = [](const Reals& v) { return NormsOf(v[0], v[1]); },
                     .terms = 40 * heads});
  }
}

// A gain that is a constant, before and behind which gradients go on.
TEST(RmsNormGradients, PassThroughAConstantGain) {
  const OwnedWeight gain = OwnedWeight::Random({9}, 34);
  const std::vector<double> constant = ToReals(gain.values());
  ExpectGradients({.inputs = {RandomInput(4, 9, 35)},
                   .weights = {},
                   .run =
                       [&](Exec& exec, std::span<const Matrix> x) {
                         return std::vector{RmsNorm(exec, x[0], gain.ref(), kEps)};
                       },
                   .formula = [&](const Reals& v) { return NormsOf(v[0], constant); },
                   .terms = 18});
}

TEST(AddGradients, OfBothTerms) {
  for (const auto& [rows, cols] : std::vector<RowShape>{{0, 8}, {3, 17}, {3, 9000}}) {
    ExpectGradients(
        {.inputs = {RandomInput(rows, cols, 36), RandomInput(rows, cols, 37)},
         .weights = {},
         .run = [&](Exec& exec,
                    std::span<const Matrix> x) { return std::vector{Add(exec, x[0], x[1])}; },
         .formula =
             [](const Reals& v) {
               std::vector<double> y = v[0];
               for (size_t i = 0; i < y.size(); ++i) y[i] += v[1][i];
               return y;
             },
         .terms = 2});
  }
}

// A value that is added to itself, and one that is used twice.
TEST(AddGradients, OfAValueUsedThrice) {
  ExpectGradients({.inputs = {RandomInput(3, 5, 38)},
                   .weights = {},
                   .run =
                       [&](Exec& exec, std::span<const Matrix> x) {
                         const Matrix once = SelectRows(exec, x[0], std::vector<int32_t>{0, 1, 2});
                         return std::vector{Add(exec, Add(exec, once, once), x[0])};
                       },
                   .formula =
                       [](const Reals& v) {
                         std::vector<double> y = v[0];
                         for (double& value : y) value *= 3;
                         return y;
                       },
                   .terms = 3});
}

TEST(AddGatedGradients, OfTermsAndGate) {
  for (const int64_t cols : {1, 16, 50}) {
    ExpectGradients(
        {.inputs = {RandomInput(7, cols, 39), RandomInput(7, 1, 40, 3), RandomInput(7, cols, 41)},
         .weights = {},
         .run =
             [&](Exec& exec, std::span<const Matrix> x) {
               return std::vector{AddGated(exec, x[0], x[1], x[2])};
             },
         .formula =
             [cols](const Reals& v) {
               std::vector<double> y = v[0];
               for (size_t i = 0; i < y.size(); ++i) {
                 y[i] += SigmoidOf(v[1][i / static_cast<size_t>(cols)]) * v[2][i];
               }
               return y;
             },
         .terms = cols});
  }
}

TEST(ElementGradients, AreTheSlopes) {
  struct Function {
    std::function<Matrix(Exec&, const Matrix&)> run;
    std::function<double(double)> formula;
  };
  const std::vector<Function> functions = {
      {[](Exec& exec, const Matrix& x) { return Scale(exec, x, -2.5F); },
       [](double x) { return -2.5 * x; }},
      {[](Exec& exec, const Matrix& x) { return Clamp(exec, x, 0.75F); },
       [](double x) { return std::clamp(x, -0.75, 0.75); }},
      {[](Exec& exec, const Matrix& x) { return SoftCap(exec, x, 1.5F); },
       [](double x) { return 1.5 * std::tanh(x / 1.5); }}};
  for (const Function& function : functions) {
    ExpectGradients(
        {.inputs = {RandomInput(5, 30, 42, 2)},
         .weights = {},
         .run = [&](Exec& exec,
                    std::span<const Matrix> x) { return std::vector{function.run(exec, x[0])}; },
         .formula =
             [&](const Reals& v) {
               std::vector<double> y;
               for (const double x : v[0]) y.push_back(function.formula(x));
               return y;
             },
         .terms = 1});
  }
}

TEST(Elementwise, SameBitsForAnyThreads) {
  const auto run = [](int threads) {
    Compute compute(threads);
    const OwnedWeight gain = OwnedWeight::Random({300}, 9);
    const OwnedWeight head_gain = OwnedWeight::Random({30}, 10);
    Matrix x = compute.NewRandomMatrix(333, 300, 11);
    x = RmsNorm(compute.exec, x, gain.ref(), kEps);
    x = RmsNormHeads(compute.exec, x, head_gain.ref(), kEps);
    x = Clamp(compute.exec, Scale(compute.exec, x, 3), 5);
    x = AddGated(compute.exec, x, compute.NewRandomMatrix(333, 1, 22),
                 compute.NewRandomMatrix(333, 300, 23));
    x = SoftCap(compute.exec, x, 4);
    return Copy(Add(compute.exec, x, compute.NewRandomMatrix(333, 300, 13)));
  };
  const std::vector<float> expected = run(1);
  for (const int threads : {2, 3, 5}) EXPECT_TRUE(SameBits(run(threads), expected)) << threads;
}

TEST(Elementwise, DoesNothingAfterAFailure) {
  Compute compute;
  const Matrix x = compute.NewRandomMatrix(2, 4, 14);
  const std::vector<float> before = Copy(x);
  const OwnedWeight gain = OwnedWeight::Random({4}, 15);
  compute.exec.Fail(Cancelled("stop"));
  EXPECT_EQ(RmsNorm(compute.exec, x, gain.ref(), kEps).data, nullptr);
  EXPECT_EQ(RmsNormHeads(compute.exec, x, gain.ref(), kEps).data, nullptr);
  Add(compute.exec, x, x);
  AddGated(compute.exec, x, x, x);
  Scale(compute.exec, x, 2);
  Clamp(compute.exec, x, 0.01F);
  SoftCap(compute.exec, x, 0.01F);
  EXPECT_TRUE(SameBits(Values(x), before));
}

}  // namespace
}  // namespace moiety
