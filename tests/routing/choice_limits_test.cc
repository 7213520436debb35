#include "routing/choice_limits.h"

#include <gmock/gmock.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/compute.h"

namespace moiety {

static bool operator==(const RoutedToken& a, const RoutedToken& b) {
  return a.token == b.token && a.expert == b.expert && a.weight == b.weight;
}

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What limits leave of choices.
std::vector<RoutedToken> Limited(const ChoiceLimits& limits, std::vector<RoutedToken> choices,
                                 float weight_sum = 0, ChoiceCounts* counts = nullptr) {
  ChoiceLimiter limiter(limits);
  RouterOutput routed;
  routed.routed = std::move(choices);
  routed.weight_sum = weight_sum;
  EXPECT_TRUE(limiter.Edit(0, {}, routed).ok());
  EXPECT_EQ(routed.weights.data, nullptr);
  if (counts != nullptr) *counts = limiter.counts();
  return routed.routed;
}

// Tokens with three choices, none, one and two.
const std::vector<RoutedToken> kSome = {{0, 4, 0.5F},  {0, 1, 0.25F},  {0, 2, 0.125F},
                                        {2, 3, 0.75F}, {3, 0, 0.625F}, {3, 5, 0.125F}};

TEST(ChoiceLimits, TheBestOfEachToken) {
  ChoiceCounts counts;
  EXPECT_THAT(Limited({.experts_per_token = 1}, kSome, 0, &counts),
              ElementsAre(kSome[0], kSome[3], kSome[4]));
  EXPECT_EQ(counts.num_choices, 6);
  EXPECT_EQ(counts.num_beyond_count, 3);
  EXPECT_EQ(counts.num_below_threshold, 0);
  EXPECT_THAT(Limited({.experts_per_token = 2}, kSome),
              ElementsAre(kSome[0], kSome[1], kSome[3], kSome[4], kSome[5]));
  EXPECT_EQ(Limited({.experts_per_token = 3}, kSome, 1, &counts), kSome);
  EXPECT_EQ(counts.num_left_out(), 0);
}

// Selection order decides, also where it is not that of the weights.
TEST(ChoiceLimits, TheBestAreTheFirst) {
  EXPECT_THAT(Limited({.experts_per_token = 1}, {{0, 3, 0.25F}, {0, 1, 0.5F}}),
              ElementsAre(RoutedToken{0, 3, 0.25F}));
}

TEST(ChoiceLimits, WeightsBelowAShareOfTheLargest) {
  ChoiceCounts counts;
  EXPECT_THAT(Limited({.threshold = 0.3}, kSome, 0, &counts),
              ElementsAre(kSome[0], kSome[1], kSome[3], kSome[4]));
  EXPECT_EQ(counts.num_choices, 6);
  EXPECT_EQ(counts.num_beyond_count, 0);
  EXPECT_EQ(counts.num_below_threshold, 2);
  // A weight at the threshold is not below it.
  EXPECT_THAT(Limited({.threshold = 0.5}, kSome),
              ElementsAre(kSome[0], kSome[1], kSome[3], kSome[4]));
  EXPECT_THAT(Limited({.threshold = 0.999}, kSome), ElementsAre(kSome[0], kSome[3], kSome[4]));
  // The largest need not be the first.
  EXPECT_THAT(Limited({.threshold = 0.5}, {{0, 3, 0.125F}, {0, 1, 0.5F}}),
              ElementsAre(RoutedToken{0, 1, 0.5F}));
}

TEST(ChoiceLimits, BothInTurn) {
  ChoiceCounts counts;
  EXPECT_THAT(Limited({.experts_per_token = 2, .threshold = 0.3}, kSome, 0, &counts),
              ElementsAre(kSome[0], kSome[1], kSome[3], kSome[4]));
  EXPECT_EQ(counts.num_beyond_count, 1);
  EXPECT_EQ(counts.num_below_threshold, 1);
  EXPECT_EQ(counts.num_left_out(), 2);
}

// Of a router that makes weights sum to something; tokens that keep all keep their bits.
TEST(ChoiceLimits, RenormalizesAsTheRouter) {
  const std::vector<RoutedToken> choices = {{0, 4, 0.6F}, {0, 1, 0.3F}, {0, 2, 0.1F}, {1, 0, 0.9F}};
  EXPECT_THAT(Limited({.experts_per_token = 1}, choices, 1),
              ElementsAre(RoutedToken{0, 4, 1}, RoutedToken{1, 0, 0.9F}));
  const auto two = Limited({.experts_per_token = 2}, choices, 2.5F);
  ASSERT_EQ(two.size(), 3U);
  EXPECT_FLOAT_EQ(two[0].weight, 2.5F * 2 / 3);
  EXPECT_FLOAT_EQ(two[1].weight, 2.5F / 3);
  EXPECT_EQ(two[2], choices[3]);
}

TEST(ChoiceLimits, RoutersSayWhatWeightsSumTo) {
  struct Case {
    const char* router;
    RouterOptions options;
    float weight_sum;
  };
  const RouterOptions two = {.num_experts = 6, .top_k = 2};
  RouterOptions scaled = two;
  scaled.scale = 2.5;
  RouterOptions as_scored = scaled;
  as_scored.renormalize = false;
  for (const auto& [router, options, weight_sum] :
       {Case{"topk", two, 1}, Case{"topk", as_scored, 0}, Case{"gshard", two, 1},
        Case{"hash", two, 1}, Case{"group_limited", scaled, 2.5F},
        Case{"group_limited", as_scored, 0}}) {
    SCOPED_TRACE(router);
    Compute compute;
    const std::vector<int32_t> ids = {3, 1, 4};
    RouterInput input;
    input.logits = compute.NewRandomMatrix(3, 6, 1);
    input.ids = ids;
    RouterOutput routed;
    const auto made = MakeRouter(router, options, 16);
    ASSERT_TRUE(made.ok()) << made.status().message();
    (*made)->Route(compute.exec, input, routed);
    ASSERT_TRUE(compute.exec.ok()) << compute.exec.status().message();
    EXPECT_EQ(routed.weight_sum, weight_sum);
    ASSERT_EQ(routed.routed.size(), 6U);
    if (weight_sum == 0) continue;
    for (size_t t = 0; t < 3; ++t) {
      EXPECT_NEAR(routed.routed[2 * t].weight + routed.routed[2 * t + 1].weight, weight_sum, 1e-6);
    }
  }
}

TEST(ChoiceLimits, BrokenWeightsDoNoHarm) {
  const float nan = std::nanf("");
  EXPECT_EQ(Limited({.threshold = 0.5}, {{0, 1, nan}, {0, 2, nan}}, 1).size(), 2U);
  EXPECT_EQ(Limited({.threshold = 0.5}, {{0, 1, -1}, {0, 2, -2}}, 1).size(), 2U);
  EXPECT_THAT(Limited({.experts_per_token = 1}, {{0, 1, 0}, {0, 2, 0}}, 1),
              ElementsAre(RoutedToken{0, 1, 0}));
  EXPECT_TRUE(Limited({.experts_per_token = 1, .threshold = 0.5}, {}, 1).empty());
}

TEST(ChoiceLimits, CountsUntilReset) {
  ChoiceLimiter limiter({.experts_per_token = 1});
  for (int i = 1; i <= 2; ++i) {
    RouterOutput routed;
    routed.routed = kSome;
    EXPECT_TRUE(limiter.Edit(0, {}, routed).ok());
    EXPECT_EQ(limiter.counts().num_choices, 6 * i);
    EXPECT_EQ(limiter.counts().num_left_out(), 3 * i);
  }
  limiter.ResetCounts();
  EXPECT_EQ(limiter.counts().num_choices, 0);
}

TEST(ChoiceLimits, WhatMakesNoSense) {
  ModelInfo info;
  info.architecture = "mixtral";
  info.num_experts = 8;
  info.top_k = 2;
  EXPECT_TRUE(CheckChoiceLimits({}, info).ok());
  EXPECT_TRUE(CheckChoiceLimits({.experts_per_token = 2, .threshold = 0.99}, info).ok());
  const auto error = [&](const ChoiceLimits& limits) {
    const Status status = CheckChoiceLimits(limits, info);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(error({.experts_per_token = 3}), HasSubstr("from 1 to the model's 2, found 3"));
  EXPECT_THAT(error({.experts_per_token = -1}), HasSubstr("found -1"));
  EXPECT_THAT(error({.threshold = 1}), HasSubstr("below 1, found 1"));
  EXPECT_THAT(error({.threshold = -0.5}), HasSubstr("found -0.5"));
  EXPECT_THAT(error({.threshold = std::nan("")}), HasSubstr("found nan"));
  info.num_experts = 0;
  EXPECT_TRUE(CheckChoiceLimits({}, info).ok());
  EXPECT_THAT(error({.experts_per_token = 1}), HasSubstr("dense mixtral model"));
}

}  // namespace
}  // namespace moiety
