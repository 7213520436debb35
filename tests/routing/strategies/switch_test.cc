#include <gmock/gmock.h>

#include <array>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

constexpr std::array<int64_t, 2> kSwitchLengths = {10, 7};

TEST(SwitchRouter, FollowsItsEquation) {
  const std::vector<Segment> segments = SegmentsOf(kSwitchLengths);
  for (const double factor : {0.0, 0.5, 1.25}) {
    const RouterOptions options = {.num_experts = 4, .top_k = 1, .capacity_factor = factor};
    ExpectGradients({.inputs = {RandomInput(17, 4, 1, 2)},
                     .weights = {},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           return ChoiceOutputs(exec,
                                                RouteWith(exec, "switch", options,
                                                          {.logits = x[0], .segments = segments}));
                         },
                     .formula =
                         [&](const Reals& v) {
                           auto choices = RealTop(v[0], SoftmaxRowsOf(v[0], 4), 4, 1);
                           if (factor > 0)
                             choices = RealRoom(choices, kSwitchLengths, factor, 1, 4);
                           return RealOutputs(choices);
                         },
                     .terms = 8,
                     .trains_otherwise = factor > 0});
  }
}

// Top-k without capacity gives an expert all that want it.
TEST(SwitchRouter, TokensWithoutRoomPassByWhileTraining) {
  const std::vector<float> values = {2, 1, 2, 1, 1, 2, 2, 1, 2, 1, 2, 1};
  const RouterOptions options = {.num_experts = 2, .top_k = 1, .capacity_factor = 1};
  TapedCompute taped;
  const RouterOutput out =
      RouteWith(taped.exec, "switch", options, {.logits = taped.NewMatrix(6, 2, values)});
  std::vector<int32_t> tokens;
  for (const RoutedToken& choice : out.routed) tokens.push_back(choice.token);
  EXPECT_THAT(tokens, testing::ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(out.demand, testing::ElementsAre(5, 1));
  Compute plain;
  EXPECT_EQ(RouteWith(plain.exec, "switch", options, {.logits = plain.NewMatrix(6, 2, values)})
                .routed.size(),
            6U);
}

TEST(SwitchRouter, RefusesSeveralExperts) {
  EXPECT_FALSE(MakeRouter("switch", {.num_experts = 4, .top_k = 2}).ok());
}

}  // namespace
}  // namespace moiety
