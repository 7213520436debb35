#include <gmock/gmock.h>

#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"

namespace moiety {
namespace {

TEST(SoftRouter, FollowsItsEquation) {
  ExpectGradients(
      {.inputs = {RandomInput(12, 5, 1, 2)},
       .weights = {},
       .run =
           [&](Exec& exec, std::span<const Matrix> x) {
             return ChoiceOutputs(
                 exec, RouteWith(exec, "soft", {.num_experts = 5, .top_k = 5}, {.logits = x[0]}));
           },
       .formula =
           [&](const Reals& v) { return RealOutputs(RealTop(v[0], SoftmaxRowsOf(v[0], 5), 5, 5)); },
       .terms = 10});
}

// Top-k has steps where the order of experts changes; here weights move as little as logits.
TEST(SoftRouter, WeightsAreContinuous) {
  Compute compute;
  const RouterOutput out = RouteWith(compute.exec, "soft", {.num_experts = 3, .top_k = 3},
                                     {.logits = compute.NewMatrix(2, 3,
                                                                  {0, 1e-6F, 2,  //
                                                                   1e-6F, 0, 2})});
  ASSERT_EQ(out.routed.size(), 6U);
  EXPECT_EQ(out.routed[1].expert, 1);
  EXPECT_EQ(out.routed[4].expert, 0);
  for (size_t e = 0; e < 3; ++e) {
    EXPECT_NEAR(out.scores.Row(0)[e], out.scores.Row(1)[e], 1e-6);
  }
}

TEST(SoftRouter, RefusesToLeaveExpertsOut) {
  EXPECT_FALSE(MakeRouter("soft", {.num_experts = 4, .top_k = 2}).ok());
}

}  // namespace
}  // namespace moiety
