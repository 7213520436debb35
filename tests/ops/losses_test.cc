#include "ops/losses.h"

#include <gmock/gmock.h>

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

constexpr float kLossScale = 0.375F;

double LogSumExpOf(RealSpan row) {
  double sum = 0;
  for (const double x : row) sum += std::exp(x);
  return std::log(sum);
}

double CrossEntropyOf(RealSpan logits, std::span<const int32_t> targets) {
  const size_t vocab = logits.size() / targets.size();
  double sum = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] == kIgnoredTarget) continue;
    const RealSpan row = logits.subspan(i * vocab, vocab);
    sum += LogSumExpOf(row) - row[static_cast<size_t>(targets[i])];
  }
  return sum;
}

double SquaredLogSumExpOf(RealSpan logits, size_t cols) {
  double sum = 0;
  for (size_t i = 0; i < logits.size(); i += cols) {
    sum += std::pow(LogSumExpOf(logits.subspan(i, cols)), 2);
  }
  return sum;
}

const std::vector<int32_t> kTargets = {3, kIgnoredTarget, 0, 28, kIgnoredTarget, 3};

TEST(CrossEntropy, IsTheSumOverTargets) {
  Compute compute(2);
  const Matrix logits = compute.NewRandomMatrix(6, 29, 1, 4);
  const std::vector<float> before = Copy(logits);
  const double loss = CrossEntropy(compute.exec, logits, kTargets, 1);
  EXPECT_NEAR(loss, CrossEntropyOf(ToReals(before), kTargets), 1e-5);
  EXPECT_EQ(CrossEntropy(compute.exec, logits, kTargets, 7), loss) << "the scale is the gradient's";
  EXPECT_TRUE(SameBits(Values(logits), before));
  std::vector<double> rows(6, -1);
  EXPECT_EQ(CrossEntropy(compute.exec, logits, kTargets, 1, rows), loss);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Matrix row = {logits.Row(static_cast<int64_t>(i)), 1, 29};
    EXPECT_EQ(rows[i], CrossEntropy(compute.exec, row, {&kTargets[i], 1}, 1)) << i;
  }
  const std::vector<int32_t> ignored(6, kIgnoredTarget);
  EXPECT_EQ(CrossEntropy(compute.exec, logits, ignored, 1), 0);
  EXPECT_EQ(CrossEntropy(compute.exec, compute.exec.NewMatrix(0, 29), {}, 1), 0);
}

// Far from what exp reaches, and where the target has all the probability.
TEST(CrossEntropy, OfLargeLogits) {
  Compute compute;
  const Matrix logits = compute.NewMatrix(3, 2, {1e4F, -1e4F, -3e4F, -3e4F, 500, 0});
  EXPECT_NEAR(CrossEntropy(compute.exec, {logits.Row(0), 1, 2}, std::vector<int32_t>{1}, 1), 2e4,
              1e-9);
  EXPECT_NEAR(CrossEntropy(compute.exec, {logits.Row(1), 1, 2}, std::vector<int32_t>{1}, 1),
              std::log(2), 1e-7);
  EXPECT_EQ(CrossEntropy(compute.exec, {logits.Row(2), 1, 2}, std::vector<int32_t>{0}, 1), 0);
}

TEST(CrossEntropy, GradientsOfLogits) {
  ExpectGradients({.inputs = {RandomInput(6, 29, 2, 2)},
                   .weights = {},
                   .run =
                       [](Exec& exec, std::span<const Matrix> x) {
                         CrossEntropy(exec, x[0], kTargets, kLossScale);
                         return std::vector<Matrix>();
                       },
                   .formula =
                       [](const Reals& v) {
                         return std::vector{static_cast<double>(kLossScale) *
                                            CrossEntropyOf(v[0], kTargets)};
                       },
                   .terms = 29});
}

TEST(CrossEntropy, RefusesTargetsOutsideTheVocabulary) {
  for (const int32_t target : {29, -2, INT32_MAX, INT32_MIN}) {
    TapedCompute compute;
    const Matrix logits = compute.NewRandomMatrix(2, 29, 3);
    EXPECT_EQ(CrossEntropy(compute.exec, logits, std::vector<int32_t>{1, target}, 1), 0);
    EXPECT_EQ(compute.exec.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(compute.exec.status().message(), testing::HasSubstr(std::to_string(target)));
    EXPECT_EQ(compute.tape.ReceivedGradient(logits).data, nullptr) << "nothing was added";
  }
}

TEST(SquaredLogSumExp, IsTheSumOverRows) {
  Compute compute(2);
  const Matrix logits = compute.NewRandomMatrix(7, 12, 4, 3);
  const double expected = SquaredLogSumExpOf(ToReals(Copy(logits)), 12);
  EXPECT_NEAR(SquaredLogSumExp(compute.exec, logits, 1), expected, 1e-6 * expected);
  EXPECT_EQ(SquaredLogSumExp(compute.exec, compute.exec.NewMatrix(0, 12), 1), 0);
}

TEST(SquaredLogSumExp, GradientsOfLogits) {
  ExpectGradients({.inputs = {RandomInput(7, 12, 5, 2)},
                   .weights = {},
                   .run =
                       [](Exec& exec, std::span<const Matrix> x) {
                         SquaredLogSumExp(exec, x[0], kLossScale);
                         return std::vector<Matrix>();
                       },
                   .formula =
                       [](const Reals& v) {
                         return std::vector{static_cast<double>(kLossScale) *
                                            SquaredLogSumExpOf(v[0], 12)};
                       },
                   .terms = 12});
}

TEST(Losses, SameValueForAnyThreads) {
  const auto run = [](int threads) {
    Compute compute(threads);
    const Matrix logits = compute.NewRandomMatrix(200, 12, 6, 3);
    const std::vector<int32_t> targets(200, 5);
    return std::vector{CrossEntropy(compute.exec, logits, targets, 1),
                       SquaredLogSumExp(compute.exec, logits, 1)};
  };
  for (const int threads : {2, 3, 5}) EXPECT_EQ(run(threads), run(1)) << threads;
}

// A loss that has no memory for its gradient says so at once.
TEST(Losses, FailWithoutMemory) {
  TapedCompute compute(1, *AvailableKernels().back(), true, 1000);
  const Matrix logits = compute.NewRandomMatrix(20, 20, 7);
  SquaredLogSumExp(compute.exec, logits, 1);
  EXPECT_EQ(compute.exec.status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace moiety
