#include "routing/importance_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

constexpr int64_t kImportanceExperts = 5;

double SquaredCvOf(RealSpan values) {
  double mean = 0;
  for (const double v : values) mean += v / static_cast<double>(values.size());
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return squares / static_cast<double>(values.size()) / (mean * mean);
}

// Choice i of token i / 2 goes to expert (i·i + 1) mod 5: some more often than others.
RouterOutput WeightedCall(const Matrix& weights) {
  RouterOutput call;
  call.num_tokens = (weights.rows + 1) / 2;
  call.num_experts = kImportanceExperts;
  call.weights = weights;
  for (int32_t i = 0; i < weights.rows; ++i) {
    call.routed.push_back({i / 2, (i * i + 1) % 5, weights.data[i]});
  }
  return call;
}

std::vector<float> Positive(std::vector<float> values, float least) {
  for (float& v : values) v = std::abs(v) + least;
  return values;
}

TEST(ImportanceLoss, GradientsOfWeights) {
  const GradientInput weights = {13, 1, Positive(RandomValues(13, 1), 0.1F)};
  ExpectGradients({.inputs = {weights},
                   .weights = {},
                   .run =
                       [](Exec& exec, std::span<const Matrix> x) {
                         ImportanceLoss(exec, WeightedCall(x[0]), 0.375F);
                         return std::vector<Matrix>();
                       },
                   .formula =
                       [](const Reals& v) {
                         std::vector<double> importance(kImportanceExperts);
                         for (size_t i = 0; i < v[0].size(); ++i) {
                           importance[(i * i + 1) % 5] += v[0][i];
                         }
                         return std::vector{0.375 * SquaredCvOf(importance)};
                       },
                   .terms = 13});
}

TEST(ImportanceLoss, AtItsLimits) {
  Compute compute;
  RouterOutput call;
  call.num_tokens = 6;
  call.num_experts = 3;
  for (int32_t t = 0; t < 6; ++t) call.routed.push_back({t, t % 3, 0.7F});
  EXPECT_EQ(ImportanceLoss(compute.exec, call, 1), 0) << "balanced";
  for (RoutedToken& choice : call.routed) choice.expert = 1;
  EXPECT_NEAR(ImportanceLoss(compute.exec, call, 1), 2, 1e-12) << "one expert gets all";
  EXPECT_EQ(ImportanceLoss(compute.exec, call, 7), ImportanceLoss(compute.exec, call, 1))
      << "the scale is the gradient's";
  for (RoutedToken& choice : call.routed) choice.weight = 0;
  EXPECT_EQ(ImportanceLoss(compute.exec, call, 1), 0) << "nothing to share";
  EXPECT_EQ(ImportanceLoss(compute.exec, WeightedCall(compute.exec.NewMatrix(0, 1)), 1), 0);
}

// As appendix A has it, expert by expert.
std::vector<double> LoadOf(RealSpan logits, RealSpan noisy, RealSpan deviation, size_t k) {
  std::vector<double> load(kImportanceExperts);
  for (size_t first = 0; first < logits.size(); first += load.size()) {
    for (size_t e = 0; e < load.size(); ++e) {
      std::vector<double> others;
      for (size_t f = 0; f < load.size(); ++f) {
        if (f != e) others.push_back(noisy[first + f]);
      }
      std::sort(others.begin(), others.end(), std::greater<>());
      const double z = (logits[first + e] - others[k - 1]) / deviation[first + e];
      load[e] += std::erfc(-z / std::sqrt(2)) / 2;
    }
  }
  return load;
}

RouterOutput NoisyCall(const Matrix& logits, const Matrix& noisy, const Matrix& deviation,
                       int32_t k) {
  RouterOutput call;
  call.num_tokens = logits.rows;
  call.num_experts = logits.cols;
  call.logits = logits;
  call.noisy_logits = noisy;
  call.deviation = deviation;
  // Which experts does not matter, only how many.
  for (int32_t i = 0; i < k * logits.rows; ++i) call.routed.push_back({i / k, i % k, 1});
  return call;
}

TEST(LoadLoss, GradientsOfLogitsNoiseAndDeviation) {
  for (const int32_t k : {1, 2, 4}) {
    SCOPED_TRACE(k);
    const std::vector<GradientInput> inputs = {RandomInput(9, 5, 2, 2),
                                               RandomInput(9, 5, 3, 2),
                                               {9, 5, Positive(RandomValues(45, 4), 0.5F)}};
    ExpectGradients({.inputs = inputs,
                     .weights = {},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           LoadLoss(exec, NoisyCall(x[0], x[1], x[2], k), 0.375F);
                           return std::vector<Matrix>();
                         },
                     .formula =
                         [&](const Reals& v) {
                           const auto load = LoadOf(v[0], v[1], v[2], static_cast<size_t>(k));
                           return std::vector{0.375 * SquaredCvOf(load)};
                         },
                     .terms = 18});
  }
}

TEST(LoadLoss, IsTheFormulaForAnyThreads) {
  const std::vector<float> logits = RandomValues(70 * 5, 5, 2);
  const std::vector<float> noisy = RandomValues(70 * 5, 6, 2);
  const std::vector<float> deviation = Positive(RandomValues(70 * 5, 7), 0.1F);
  const double expected =
      SquaredCvOf(LoadOf(ToReals(logits), ToReals(noisy), ToReals(deviation), 2));
  std::vector<double> found;
  for (const int threads : {1, 2, 5}) {
    Compute compute(threads);
    found.push_back(
        LoadLoss(compute.exec,
                 NoisyCall(compute.NewMatrix(70, 5, logits), compute.NewMatrix(70, 5, noisy),
                           compute.NewMatrix(70, 5, deviation), 2),
                 1));
    EXPECT_NEAR(found.back(), expected, 1e-12);
    EXPECT_EQ(found.back(), found.front());
  }
}

TEST(LoadLoss, AtItsLimits) {
  Compute compute;
  // Each expert is ahead once.
  const Matrix turns = compute.NewMatrix(3, 3, {2, 1, 0, 0, 2, 1, 1, 0, 2});
  const Matrix ones = compute.NewMatrix(3, 3, std::vector<float>(9, 1));
  EXPECT_NEAR(LoadLoss(compute.exec, NoisyCall(turns, turns, ones, 1), 1), 0, 1e-25);
  EXPECT_EQ(LoadLoss(compute.exec, NoisyCall(turns, turns, ones, 3), 1), 0) << "all are chosen";
  const Matrix one = compute.NewMatrix(2, 3, {90, 0, 0, 90, 0, 0});
  EXPECT_NEAR(LoadLoss(compute.exec,
                       NoisyCall(one, one, compute.NewMatrix(2, 3, {1, 1, 1, 1, 1, 1}), 1), 1),
              2, 1e-12)
      << "one expert gets all";
  EXPECT_EQ(LoadLoss(compute.exec, NoisyCall(ones, {}, {}, 1), 1), 0) << "no noise";
  const Matrix none = compute.exec.NewMatrix(0, 3);
  EXPECT_EQ(LoadLoss(compute.exec, NoisyCall(none, none, none, 1), 1), 0);
}

// Then choices are what they are: counted, without a slope.
TEST(LoadLoss, WithoutDeviation) {
  TapedCompute compute;
  const Matrix logits = compute.NewMatrix(2, 3, {3, 1, 1, 2, 4, 2});
  const Matrix zeros = compute.NewMatrix(2, 3, std::vector<float>(6, 0));
  const double loss = LoadLoss(compute.exec, NoisyCall(logits, logits, zeros, 1), 1);
  EXPECT_NEAR(loss, SquaredCvOf(std::vector<double>{1, 1, 0}), 1e-12);
  EXPECT_TRUE(SameBits(Copy(compute.tape.Gradient(logits)), std::vector<float>(6, 0)));
  EXPECT_TRUE(SameBits(Copy(compute.tape.Gradient(zeros)), std::vector<float>(6, 0)));
}

}  // namespace
}  // namespace moiety
