#include "routing/balance_loss.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/compute.h"
#include "support/gradient_check.h"

namespace moiety {
namespace {

constexpr int64_t kLossExperts = 4;

// Token t chooses the experts t and t + 1.
RouterOutput CallOf(const Matrix& scores) {
  RouterOutput call;
  call.num_tokens = scores.rows;
  call.num_experts = kLossExperts;
  call.scores = scores;
  for (int32_t t = 0; t < scores.rows; ++t) {
    for (int32_t i = 0; i < 2; ++i) call.routed.push_back({t, (t + i) % 4, 0.5F});
  }
  return call;
}

// experts · Σ_e f_e · p_e of such calls.
double BalanceOf(const std::vector<std::vector<double>>& scores) {
  std::vector<double> chosen(kLossExperts);
  std::vector<double> sums(kLossExperts);
  double tokens = 0;
  for (const auto& call : scores) {
    for (size_t t = 0; t < call.size() / 4; ++t) {
      for (size_t e = 0; e < 4; ++e) sums[e] += call[4 * t + e];
      ++chosen[t % 4];
      ++chosen[(t + 1) % 4];
      ++tokens;
    }
  }
  double sum = 0;
  for (size_t e = 0; e < 4; ++e) sum += chosen[e] / tokens * (sums[e] / tokens);
  return 4 * sum;
}

TEST(Demand, CountsChoicesUnlessTheRouterSays) {
  Compute compute;
  RouterOutput call = CallOf(compute.NewRandomMatrix(3, 4, 1));
  EXPECT_EQ(Demand(call), (std::vector<int64_t>{1, 2, 2, 1}));
  call.demand = {7, 0, 0, 3};
  EXPECT_EQ(Demand(call), call.demand);
}

TEST(BalanceLoss, IsTopKWhenBalanced) {
  Compute compute;
  const RouterOutput call = CallOf(compute.NewMatrix(8, 4, std::vector<float>(32, 0.25F)));
  EXPECT_DOUBLE_EQ(BalanceLoss(compute.exec, {&call, 1}, 1), 2);
  EXPECT_DOUBLE_EQ(BalanceLoss(compute.exec, {&call, 1}, 5), 2) << "the scale is the gradient's";
}

// All tokens to one expert with certainty: the number of experts.
TEST(BalanceLoss, IsLargestForOneExpert) {
  Compute compute;
  RouterOutput call;
  call.num_tokens = 5;
  call.num_experts = kLossExperts;
  call.scores = compute.NewMatrix(5, 4, std::vector<float>(20, 0.0F));
  for (int32_t t = 0; t < 5; ++t) {
    call.scores.Row(t)[3] = 1;
    call.routed.push_back({t, 3, 1});
  }
  EXPECT_DOUBLE_EQ(BalanceLoss(compute.exec, {&call, 1}, 1), 4);
}

TEST(BalanceLoss, NoneWithoutTokens) {
  Compute compute;
  const RouterOutput call = CallOf(compute.exec.NewMatrix(0, 4));
  EXPECT_EQ(BalanceLoss(compute.exec, {&call, 1}, 1), 0);
  EXPECT_EQ(BalanceLoss(compute.exec, {}, 1), 0);
  RouterOutput unscored;
  unscored.num_tokens = 1;
  unscored.num_experts = kLossExperts;
  unscored.routed = {{0, 1, 1}};
  EXPECT_EQ(BalanceLoss(compute.exec, {&unscored, 1}, 1), 0);
}

TEST(BalanceLoss, GradientsOfScores) {
  ExpectGradients({.inputs = {RandomInput(7, 4, 2)},
                   .weights = {},
                   .run =
                       [](Exec& exec, std::span<const Matrix> x) {
                         const RouterOutput call = CallOf(x[0]);
                         BalanceLoss(exec, {&call, 1}, 0.375F);
                         return std::vector<Matrix>();
                       },
                   .formula = [](const Reals& v) { return std::vector{0.375 * BalanceOf(v)}; },
                   .terms = 7});
}

// Calls of different lengths count by their tokens.
TEST(BalanceLoss, GradientsOfPooledCalls) {
  const std::vector<GradientInput> scores = {RandomInput(7, 4, 3), RandomInput(2, 4, 4),
                                             RandomInput(0, 4, 5)};
  Reals reals;
  Compute compute;
  std::vector<RouterOutput> calls;
  for (const GradientInput& input : scores) {
    reals.push_back(ToReals(input.values));
    calls.push_back(CallOf(compute.NewMatrix(input.rows, 4, input.values)));
  }
  EXPECT_NEAR(BalanceLoss(compute.exec, calls, 1), BalanceOf(reals), 1e-12);
  ExpectGradients({.inputs = scores,
                   .weights = {},
                   .run =
                       [](Exec& exec, std::span<const Matrix> x) {
                         std::vector<RouterOutput> all;
                         for (const Matrix& m : x) all.push_back(CallOf(m));
                         BalanceLoss(exec, all, 0.375F);
                         return std::vector<Matrix>();
                       },
                   .formula = [](const Reals& v) { return std::vector{0.375 * BalanceOf(v)}; },
                   .terms = 9});
}

// As the router wanted it, not as capacity left it.
TEST(BalanceLoss, CountsDemand) {
  Compute compute;
  RouterOutput call = CallOf(compute.NewRandomMatrix(6, 4, 6));
  const double routed = BalanceLoss(compute.exec, {&call, 1}, 1);
  call.demand = Demand(call);
  call.routed.resize(3);
  EXPECT_EQ(BalanceLoss(compute.exec, {&call, 1}, 1), routed);
}

}  // namespace
}  // namespace moiety
