#include "routing/router_metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/compute.h"

namespace moiety {
namespace {

RouterOutput SomeRouting(Compute& compute) {
  RouterOutput out;
  out.num_tokens = 4;
  out.num_experts = 4;
  out.routed = {{0, 0, 1}, {0, 1, 1}, {1, 0, 1}, {2, 0, 1}};  // token 3 is dropped
  out.scores = compute.NewMatrix(4, 4, {1, 0, 0, 0, .5F, .5F, 0, 0, 2, 2, 2, 2, 0, 0, 1, 0});
  return out;
}

TEST(RouterMetrics, OfSomeTokens) {
  Compute compute;
  RouterMetrics metrics;
  metrics.Add(SomeRouting(compute));
  EXPECT_EQ(metrics.load, (std::vector<int64_t>{3, 1, 0, 0}));
  EXPECT_EQ(metrics.dropped, 1);
  // Mean 1; squares of differences 4, 0, 1, 1.
  EXPECT_NEAR(metrics.Cv(), std::sqrt(1.5), 1e-12);
  EXPECT_NEAR(metrics.MaxViolation(), 2, 1e-12);
  EXPECT_NEAR(metrics.GateEntropy(), (std::log(2.0) + std::log(4.0)) / 4, 1e-12)
      << "scores are made to sum to 1";
  EXPECT_NEAR(metrics.ExpertEntropy(), -0.75 * std::log(0.75) - 0.25 * std::log(0.25), 1e-12);
}

TEST(RouterMetrics, CallsAddUp) {
  Compute compute;
  RouterMetrics once;
  RouterMetrics twice;
  once.Add(SomeRouting(compute));
  twice.Add(SomeRouting(compute));
  twice.Add(SomeRouting(compute));
  EXPECT_EQ(twice.load, (std::vector<int64_t>{6, 2, 0, 0}));
  EXPECT_EQ(twice.dropped, 2);
  EXPECT_DOUBLE_EQ(twice.Cv(), once.Cv());
  EXPECT_DOUBLE_EQ(twice.GateEntropy(), once.GateEntropy());
}

// A token counts for the gate if its scores are shares of it.
TEST(RouterMetrics, OfScoresThatAreNoShares) {
  Compute compute;
  RouterOutput out = SomeRouting(compute);
  out.scores = compute.NewMatrix(4, 4, {1, 1, 0, 0, 1, -1, 1, 1, 0, 0, 0, 0, 1, NAN, 0, 0});
  RouterMetrics metrics;
  metrics.Add(out);
  EXPECT_EQ(metrics.num_scored, 1);
  EXPECT_NEAR(metrics.GateEntropy(), std::log(2.0), 1e-12);
  out.scores = {};
  metrics.Add(out);
  EXPECT_EQ(metrics.num_tokens, 8);
  EXPECT_NEAR(metrics.GateEntropy(), std::log(2.0), 1e-12);
}

TEST(RouterMetrics, OfNothing) {
  const RouterMetrics none;
  EXPECT_EQ(none.Cv(), 0);
  EXPECT_EQ(none.MaxViolation(), 0);
  EXPECT_TRUE(std::isnan(none.GateEntropy()));
  EXPECT_EQ(none.ExpertEntropy(), 0);
}

}  // namespace
}  // namespace moiety
