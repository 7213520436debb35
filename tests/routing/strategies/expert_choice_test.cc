#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"

namespace moiety {
namespace {

constexpr std::array<int64_t, 3> kChoiceLengths = {10, 1, 7};
constexpr size_t kChoosers = 5;

// Each expert's tokens by rank, then by token.
std::vector<RealChoice> ChosenByExperts(const std::vector<double>& logits, double factor,
                                        size_t top_k) {
  const std::vector<double> p = SoftmaxRowsOf(logits, kChoosers);
  std::vector<RealChoice> choices;
  size_t begin = 0;
  for (const int64_t count : kChoiceLengths) {
    const auto length = static_cast<size_t>(count);
    const double room =
        std::min(static_cast<double>(count),
                 std::ceil(factor * static_cast<double>(top_k * length) / kChoosers));
    for (size_t e = 0; e < kChoosers; ++e) {
      std::vector<double> column;
      for (size_t t = 0; t < length; ++t) column.push_back(p[(begin + t) * kChoosers + e]);
      const std::vector<size_t> order = Descending(column);
      for (size_t i = 0; static_cast<double>(i) < room; ++i) {
        choices.push_back({begin + order[i], e, column[order[i]]});
      }
    }
    begin += length;
  }
  std::sort(choices.begin(), choices.end(), [](const RealChoice& a, const RealChoice& b) {
    return a.token != b.token ? a.token < b.token : a.weight > b.weight;
  });
  return choices;
}

TEST(ExpertChoiceRouter, FollowsItsEquation) {
  const std::vector<Segment> segments = SegmentsOf(kChoiceLengths);
  for (const int64_t top_k : {1, 2, 5}) {
    for (const double factor : {0.0, 0.5, 1.5, 100.0}) {
      const RouterOptions options = {
          .num_experts = kChoosers, .top_k = top_k, .capacity_factor = factor};
      ExpectGradients({.inputs = {RandomInput(18, kChoosers, 1, 2)},
                       .weights = {},
                       .run =
                           [&](Exec& exec, std::span<const Matrix> x) {
                             return ChoiceOutputs(
                                 exec, RouteWith(exec, "expert_choice", options,
                                                 {.logits = x[0], .segments = segments}));
                           },
                       .formula =
                           [&](const Reals& v) {
                             return RealOutputs(ChosenByExperts(v[0], factor == 0 ? 1 : factor,
                                                                static_cast<size_t>(top_k)));
                           },
                       .terms = 2 * kChoosers});
    }
  }
}

// Top-k would send all tokens to the same experts, each to as many.
TEST(ExpertChoiceRouter, LoadsAreEqualAndTokensGetMoreOrFewer) {
  Compute compute;
  std::vector<float> values = RandomValues(40 * 8, 2);
  for (size_t i = 0; i < values.size(); i += 8) values[i] += 10;
  const RouterOutput out = RouteWith(compute.exec, "expert_choice", {.num_experts = 8, .top_k = 2},
                                     {.logits = compute.NewMatrix(40, 8, values)});
  EXPECT_THAT(LoadsOf(out), testing::Each(10));
  std::vector<int> experts(40);
  for (const RoutedToken& choice : out.routed) ++experts[static_cast<size_t>(choice.token)];
  EXPECT_THAT(experts, testing::Contains(0));
  EXPECT_THAT(experts, testing::Contains(testing::Gt(2)));
}

TEST(ExpertChoiceRouter, TiesGoToTheEarlierTokenAndTheLowerExpert) {
  Compute compute;
  const Matrix logits = compute.NewMatrix(4, 2, std::vector<float>(8, 1.0F));
  const RouterOutput out =
      RouteWith(compute.exec, "expert_choice", {.num_experts = 2, .top_k = 1}, {.logits = logits});
  using testing::FieldsAre;
  EXPECT_THAT(out.routed, testing::ElementsAre(FieldsAre(0, 0, 0.5F), FieldsAre(0, 1, 0.5F),
                                               FieldsAre(1, 0, 0.5F), FieldsAre(1, 1, 0.5F)));
}

}  // namespace
}  // namespace moiety
