#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <vector>

#include "base/random_field.h"
#include "routing/strategies/strategies.h"
#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

const RouterOptions kStraight = {.num_experts = 5, .top_k = 1};
const RouterOptions kReinforce = {
    .num_experts = 5, .top_k = 1, .estimator = ChoiceEstimator::kReinforce};

TEST(HardRouter, WeightsAreOne) {
  for (const RouterOptions& options : {kStraight, kReinforce}) {
    Compute compute;
    const Matrix logits = compute.NewRandomMatrix(20, 5, 1);
    const RouterOutput out = RouteWith(compute.exec, "hard", options, {.logits = logits});
    const std::vector<double> real = ToReals(Copy(logits));
    const auto expected = RealTop(real, real, 5, 1);
    ASSERT_EQ(out.routed.size(), 20U);
    for (size_t t = 0; t < 20; ++t) {
      EXPECT_EQ(static_cast<size_t>(out.routed[t].expert), expected[t].expert);
      EXPECT_EQ(out.routed[t].weight, 1.0F);
    }
  }
}

// The gradient of logits as if the weight of token t had been p_e.
TEST(HardRouter, StraightThroughTakesTheWeightForTheProbability) {
  TapedCompute compute;
  const Matrix logits = compute.NewRandomMatrix(9, 5, 2, 2);
  const Tape::Mark mark = compute.tape.mark();
  const RouterOutput out = RouteWith(compute.exec, "hard", kStraight, {.logits = logits});
  EXPECT_EQ(Copy(out.weights), std::vector<float>(9, 1.0F));
  const std::vector<float> dweights = RandomValues(9, 3);
  compute.AddGradient(out.weights, dweights);
  compute.tape.BackwardTo(mark);
  const Matrix dlogits = compute.tape.Gradient(logits);
  for (size_t t = 0; t < 9; ++t) {
    const auto row = static_cast<int64_t>(t);
    const auto p = SoftmaxOf(ToReals({logits.Row(row), logits.Row(row) + 5}));
    const auto chosen = static_cast<size_t>(out.routed[t].expert);
    for (size_t e = 0; e < 5; ++e) {
      const double slope = p[chosen] * ((e == chosen ? 1 : 0) - p[e]);
      EXPECT_NEAR(dlogits.Row(row)[e], static_cast<double>(dweights[t]) * slope, 1e-6);
    }
  }
}

TEST(HardRouter, ReinforceFollowsTheAdvantages) {
  TapedCompute compute;
  const std::vector<int64_t> lengths = {6, 3};
  const std::vector<Segment> segments = SegmentsOf(lengths);
  compute.tape.set_noise({.seed = 7, .step = 5, .first_sequence = 2});
  const Matrix logits = compute.NewRandomMatrix(9, 5, 4, 2);
  const Tape::Mark mark = compute.tape.mark();
  const RouterOutput out = RouteWith(compute.exec, "hard", kReinforce,
                                     {.logits = logits, .segments = segments, .layer = 3});
  const RandomField field(7, 5, static_cast<uint32_t>(RouterDraw::kSample), 3);
  const std::vector<float> advantages = RandomValues(9, 5);
  compute.tape.row_advantages() = advantages;
  compute.AddGradient(out.weights, std::vector<float>(9, 1.0F));  // says nothing
  compute.tape.BackwardTo(mark);
  const Matrix dlogits = compute.tape.Gradient(logits);
  for (size_t t = 0; t < 9; ++t) {
    const auto row = static_cast<int64_t>(t);
    const auto p = SoftmaxOf(ToReals({logits.Row(row), logits.Row(row) + 5}));
    double left = field.Uniform(t < 6 ? 2 : 3, t < 6 ? row : row - 6, 0);
    size_t chosen = 0;
    while (chosen < 4 && left >= p[chosen]) left -= p[chosen++];
    EXPECT_EQ(static_cast<size_t>(out.routed[t].expert), chosen);
    EXPECT_EQ(out.routed[t].weight, 1.0F);
    for (size_t e = 0; e < 5; ++e) {
      EXPECT_NEAR(dlogits.Row(row)[e],
                  static_cast<double>(advantages[t]) * ((e == chosen ? 1 : 0) - p[e]), 1e-6);
    }
  }
}

// The mean over draws is the gradient of the mean loss. Top-k has no draws.
TEST(HardRouter, ReinforceIsRightOnAverage) {
  constexpr int64_t kDraws = 20000;
  TapedCompute compute;
  std::vector<float> values;
  for (int64_t t = 0; t < kDraws; ++t) values.insert(values.end(), {0.3F, -0.2F, 0.9F});
  const Matrix logits = compute.NewMatrix(kDraws, 3, values);
  const Tape::Mark mark = compute.tape.mark();
  const RouterOutput out = RouteWith(
      compute.exec, "hard",
      {.num_experts = 3, .top_k = 1, .estimator = ChoiceEstimator::kReinforce}, {.logits = logits});
  constexpr std::array<double, 3> kLosses = {1, 3, 2};
  const std::vector<double> p = SoftmaxOf(std::vector<double>{0.3F, -0.2F, 0.9F});
  double mean = 0;
  for (size_t e = 0; e < 3; ++e) mean += p[e] * kLosses[e];
  for (const RoutedToken& choice : out.routed) {
    compute.tape.row_advantages().push_back(
        static_cast<float>(kLosses[static_cast<size_t>(choice.expert)] - mean));
  }
  const std::vector<int64_t> loads = LoadsOf(out);
  compute.tape.BackwardTo(mark);
  const Matrix dlogits = compute.tape.Gradient(logits);
  for (size_t e = 0; e < 3; ++e) {
    double sum = 0;
    for (int64_t t = 0; t < kDraws; ++t) sum += static_cast<double>(dlogits.Row(t)[e]);
    // Five standard deviations of draws below 2.
    EXPECT_NEAR(sum / kDraws, p[e] * (kLosses[e] - mean), 5 * 2 / std::sqrt(kDraws));
    EXPECT_NEAR(static_cast<double>(loads[e]) / kDraws, p[e], 5 * 0.5 / std::sqrt(kDraws));
  }
}

TEST(HardRouter, RefusesSeveralExperts) {
  EXPECT_FALSE(MakeRouter("hard", {.num_experts = 4, .top_k = 2}).ok());
}

}  // namespace
}  // namespace moiety
