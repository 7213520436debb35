#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"

namespace moiety {
namespace {

TEST(GroupLimitedRouter, FollowsItsEquation) {
  constexpr size_t kExperts = 9;
  for (const bool renormalize : {false, true}) {
    for (const double factor : {0.0, 1.0}) {
      const RouterOptions options = {.num_experts = kExperts,
                                     .top_k = 4,
                                     .renormalize = renormalize,
                                     .capacity_factor = factor,
                                     .scale = 1.5,
                                     .groups = 3,
                                     .groups_per_token = 2};
      ExpectGradients({.inputs = {RandomInput(15, kExperts, 1, 2)},
                       .weights = {},
                       .run =
                           [&](Exec& exec, std::span<const Matrix> x) {
                             return ChoiceOutputs(
                                 exec, RouteWith(exec, "group_limited", options, {.logits = x[0]}));
                           },
                       .formula =
                           [&](const Reals& v) {
                             std::vector<double> keys = v[0];
                             for (size_t t = 0; t < 15; ++t) {
                               std::vector<double> best;
                               for (size_t g = 0; g < 3; ++g) {
                                 const RealSpan members =
                                     RealRow(keys, t, kExperts).subspan(3 * g, 3);
                                 best.push_back(*std::max_element(members.begin(), members.end()));
                               }
                               const size_t closed = Descending(best)[2];
                               for (size_t e = 3 * closed; e < 3 * closed + 3; ++e) {
                                 keys[t * kExperts + e] = -std::numeric_limits<double>::infinity();
                               }
                             }
                             auto choices =
                                 RealTop(keys, SoftmaxRowsOf(v[0], kExperts), kExperts, 4);
                             if (renormalize) RealNormalize(choices);
                             for (RealChoice& choice : choices) choice.weight *= 1.5;
                             const std::vector<int64_t> lengths = {15};
                             if (factor > 0)
                               choices = RealRoom(choices, lengths, factor, 4, kExperts);
                             return RealOutputs(choices);
                           },
                       .terms = 2 * kExperts,
                       .trains_otherwise = factor > 0});
    }
  }
}

// Top-k may visit as many groups as it has choices.
TEST(GroupLimitedRouter, ATokenVisitsFewGroups) {
  Compute compute;
  const RouterOutput out =
      RouteWith(compute.exec, "group_limited",
                {.num_experts = 32, .top_k = 6, .groups = 8, .groups_per_token = 3},
                {.logits = compute.NewRandomMatrix(50, 32, 2)});
  for (size_t t = 0; t < 50; ++t) {
    std::set<int32_t> groups;
    for (size_t i = 0; i < 6; ++i) groups.insert(out.routed[6 * t + i].expert / 4);
    EXPECT_LE(groups.size(), 3U);
  }
}

TEST(GroupLimitedRouter, RefusesGroupsThatDoNotDivide) {
  EXPECT_FALSE(MakeRouter("group_limited", {.num_experts = 8, .top_k = 1, .groups = 3}).ok());
}

}  // namespace
}  // namespace moiety
