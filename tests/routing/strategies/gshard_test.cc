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

constexpr std::array<int64_t, 2> kGshardLengths = {13, 9};
constexpr TrainingNoise kGshardTraining = {.seed = 6, .step = 2, .first_sequence = 1};

TEST(GshardRouter, FollowsItsAlgorithm) {
  const std::vector<Segment> segments = SegmentsOf(kGshardLengths);
  const RandomField field(6, 2, static_cast<uint32_t>(RouterDraw::kSecondExpert), 5);
  for (const double factor : {0.0, 1.0}) {
    const RouterOptions options = {.num_experts = 5, .top_k = 2, .capacity_factor = factor};
    ExpectGradients({.inputs = {RandomInput(22, 5, 1, 3)},
                     .weights = {},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           exec.tape()->set_noise(kGshardTraining);
                           const RouterOutput out =
                               RouteWith(exec, "gshard", options,
                                         {.logits = x[0], .segments = segments, .layer = 5});
                           EXPECT_LT(out.routed.size(), 44U);
                           return ChoiceOutputs(exec, out);
                         },
                     .formula =
                         [&](const Reals& v) {
                           auto both = RealTop(v[0], SoftmaxRowsOf(v[0], 5), 5, 2);
                           RealNormalize(both);
                           std::vector<RealChoice> choices;
                           for (size_t i = 0; i < both.size(); ++i) {
                             const auto row = static_cast<int64_t>(both[i].token);
                             const double u =
                                 field.Uniform(row < 13 ? 1 : 2, row < 13 ? row : row - 13, 0);
                             if (i % 2 == 0 || 2 * both[i].weight > u) choices.push_back(both[i]);
                           }
                           if (factor > 0)
                             choices = RealRoom(choices, kGshardLengths, factor, 2, 5);
                           return RealOutputs(choices);
                         },
                     .terms = 10,
                     .trains_otherwise = true});
  }
}

// Top-2 always goes to both. Here the second is drawn as often as twice its weight says.
TEST(GshardRouter, SecondExpertsComeByChance) {
  constexpr int64_t kTokens = 2000;
  std::vector<float> values;
  for (int64_t t = 0; t < kTokens; ++t) {
    values.insert(values.end(), {0, std::log(0.2F / 0.8F), -100});
  }
  const RouterOptions options = {.num_experts = 3, .top_k = 2};
  TapedCompute taped;
  const RouterOutput out =
      RouteWith(taped.exec, "gshard", options, {.logits = taped.NewMatrix(kTokens, 3, values)});
  const std::vector<int64_t> loads = LoadsOf(out);
  EXPECT_EQ(loads[0], kTokens);
  EXPECT_NEAR(static_cast<double>(loads[1]), 0.4 * kTokens, 5 * 22);  // five standard deviations
  EXPECT_EQ(loads[2], 0);
  Compute plain;
  EXPECT_THAT(LoadsOf(RouteWith(plain.exec, "gshard", options,
                                {.logits = plain.NewMatrix(kTokens, 3, values)})),
              testing::ElementsAre(kTokens, kTokens, 0));
}

TEST(GshardRouter, RefusesOtherThanTwoExperts) {
  EXPECT_FALSE(MakeRouter("gshard", {.num_experts = 4, .top_k = 1}).ok());
  EXPECT_FALSE(MakeRouter("gshard", {.num_experts = 4, .top_k = 3}).ok());
  EXPECT_FALSE(MakeRouter("gshard", {.num_experts = 1, .top_k = 2}).ok());
}

}  // namespace
}  // namespace moiety
