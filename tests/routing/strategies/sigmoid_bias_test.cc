#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"

namespace moiety {
namespace {

constexpr std::array<int64_t, 2> kBiasedLengths = {11, 6};
constexpr size_t kBiasedExperts = 8;

TEST(SigmoidBiasRouter, FollowsItsEquation) {
  const std::vector<Segment> segments = SegmentsOf(kBiasedLengths);
  const OwnedWeight bias = OwnedWeight::Random({kBiasedExperts}, 1);
  const std::vector<WeightRef> weights = {bias.ref()};
  struct Case {
    int64_t groups, open;
    bool renormalize;
    double scale, factor;
  };
  for (const Case& c : {Case{1, 1, true, 1, 0}, Case{1, 1, false, 2.5, 0}, Case{4, 2, true, 2.5, 0},
                        Case{2, 1, false, 1, 1}, Case{8, 4, true, 1, 0.5}}) {
    const RouterOptions options = {.num_experts = kBiasedExperts,
                                   .top_k = 3,
                                   .renormalize = c.renormalize,
                                   .capacity_factor = c.factor,
                                   .scale = c.scale,
                                   .groups = c.groups,
                                   .groups_per_token = c.open};
    ExpectGradients(
        {.inputs = {RandomInput(17, kBiasedExperts, 2, 2)},
         .weights = {},
         .run =
             [&](Exec& exec, std::span<const Matrix> x) {
               return ChoiceOutputs(
                   exec, RouteWith(exec, "sigmoid_bias", options,
                                   {.logits = x[0], .segments = segments, .weights = weights}));
             },
         .formula =
             [&](const Reals& v) {
               std::vector<double> scores;
               for (const double logit : v[0]) scores.push_back(SigmoidOf(logit));
               std::vector<double> keys = scores;
               for (size_t i = 0; i < keys.size(); ++i) {
                 keys[i] += bias.at(static_cast<int64_t>(i % kBiasedExperts));
               }
               const size_t size = kBiasedExperts / static_cast<size_t>(c.groups);
               for (size_t t = 0; t < 17; ++t) {
                 std::vector<double> sums;
                 for (size_t g = 0; g < static_cast<size_t>(c.groups); ++g) {
                   const RealSpan members =
                       RealRow(keys, t, kBiasedExperts).subspan(g * size, size);
                   const std::vector<size_t> order = Descending(members);
                   sums.push_back(members[order[0]] + (size > 1 ? members[order[1]] : 0));
                 }
                 const std::vector<size_t> order = Descending(sums);
                 for (size_t i = static_cast<size_t>(c.open); i < order.size(); ++i) {
                   const auto first = keys.begin() + static_cast<std::ptrdiff_t>(
                                                         t * kBiasedExperts + order[i] * size);
                   std::fill_n(first, size, -std::numeric_limits<double>::infinity());
                 }
               }
               auto choices = RealTop(keys, scores, kBiasedExperts, 3);
               if (c.renormalize) RealNormalize(choices);
               for (RealChoice& choice : choices) choice.weight *= c.scale;
               if (c.factor > 0) {
                 choices = RealRoom(choices, kBiasedLengths, c.factor, 3, kBiasedExperts);
               }
               return RealOutputs(choices);
             },
         .terms = 6,
         .trains_otherwise = c.factor > 0});
  }
}

// Top-k goes where the scores are. Here a bias sends tokens elsewhere and leaves weights alone.
TEST(SigmoidBiasRouter, TheBiasChoosesAndDoesNotWeigh) {
  Compute compute;
  const OwnedWeight bias({3}, {-10, 0, 10});
  const std::vector<WeightRef> weights = {bias.ref()};
  const Matrix logits = compute.NewMatrix(1, 3, {5, 0, -1});
  const RouterOutput out =
      RouteWith(compute.exec, "sigmoid_bias", {.num_experts = 3, .top_k = 2, .renormalize = false},
                {.logits = logits, .weights = weights});
  EXPECT_EQ(out.routed[0].expert, 2);
  EXPECT_NEAR(out.routed[0].weight, SigmoidOf(-1), 1e-6);
  EXPECT_EQ(out.routed[1].expert, 1);
  EXPECT_EQ(out.routed[1].weight, 0.5F);
}

// Sigmoids far below 0 are 0 in f32: such a token is no reason for NaNs.
TEST(SigmoidBiasRouter, ScoresOfZeroStayZero) {
  Compute compute;
  const OwnedWeight bias({3}, {0, 0, 0});
  const std::vector<WeightRef> weights = {bias.ref()};
  const RouterOutput out =
      RouteWith(compute.exec, "sigmoid_bias", {.num_experts = 3, .top_k = 2},
                {.logits = compute.NewMatrix(1, 3, {-200, -300, -100}), .weights = weights});
  EXPECT_EQ(out.routed[0].weight, 0);
  EXPECT_EQ(out.routed[1].weight, 0);
}

TEST(SigmoidBiasRouter, RefusesGroupsThatDoNotDivide) {
  for (const auto& [groups, open, top_k] :
       std::vector<std::array<int64_t, 3>>{{3, 1, 1}, {4, 0, 1}, {4, 5, 1}, {0, 0, 1}, {4, 1, 3}}) {
    EXPECT_FALSE(
        MakeRouter("sigmoid_bias",
                   {.num_experts = 8, .top_k = top_k, .groups = groups, .groups_per_token = open})
            .ok());
  }
}

}  // namespace
}  // namespace moiety
