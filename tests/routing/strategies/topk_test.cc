#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "routing/router.h"
#include "support/bits.h"
#include "support/compute.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::FieldsAre;
using testing::HasSubstr;

RouterOutput Route(Compute& compute, const Matrix& logits, int64_t top_k, bool renormalize) {
  const auto router = MakeRouter("topk", {logits.cols, top_k, renormalize});
  EXPECT_TRUE(router.ok());
  RouterOutput out;
  (*router)->Route(compute.exec, {logits, {}}, out);
  return out;
}

// The equation of the header for one token, in double: expert ids and weights, best first.
struct Choice {
  int32_t expert;
  double weight;
};
std::vector<Choice> Oracle(const float* logits, int64_t num_experts, int64_t top_k,
                           bool renormalize) {
  std::vector<Choice> choices;
  double all = 0;
  for (int64_t e = 0; e < num_experts; ++e) {
    choices.push_back({static_cast<int32_t>(e), std::exp(static_cast<double>(logits[e]))});
    all += choices.back().weight;
  }
  std::stable_sort(choices.begin(), choices.end(), [&](const Choice& a, const Choice& b) {
    return logits[a.expert] > logits[b.expert];
  });
  choices.resize(static_cast<size_t>(top_k));
  double selected = 0;
  for (const Choice& choice : choices) selected += choice.weight;
  for (Choice& choice : choices) choice.weight /= renormalize ? selected : all;
  return choices;
}

TEST(TopKRouter, FollowsTheEquation) {
  Compute compute;
  for (const int64_t num_experts : {1, 2, 8, 17, 200}) {
    for (const int64_t top_k : {int64_t{1}, int64_t{2}, int64_t{8}, num_experts}) {
      if (top_k > num_experts) continue;
      for (const bool renormalize : {true, false}) {
        constexpr int64_t kTokens = 20;
        const Matrix logits = compute.NewRandomMatrix(kTokens, num_experts, 1, 5);
        const RouterOutput out = Route(compute, logits, top_k, renormalize);
        EXPECT_EQ(out.num_tokens, kTokens);
        EXPECT_EQ(out.num_experts, num_experts);
        EXPECT_TRUE(SameBits(Values(out.logits), Values(logits)));
        ASSERT_EQ(out.routed.size(), static_cast<size_t>(kTokens * top_k));
        size_t i = 0;
        for (int32_t token = 0; token < kTokens; ++token) {
          double sum = 0;
          for (const Choice& choice : Oracle(logits.Row(token), num_experts, top_k, renormalize)) {
            const RoutedToken& routed = out.routed[i++];
            EXPECT_EQ(routed.token, token);
            EXPECT_EQ(routed.expert, choice.expert);
            const auto weight = static_cast<double>(routed.weight);
            // Two exponentials, the rounding of x - max (≤ 10) in each, sums of up to 200,
            // divisions.
            EXPECT_NEAR(weight, choice.weight, 3e-6 * choice.weight);
            sum += weight;
          }
          if (renormalize || top_k == num_experts) {
            EXPECT_NEAR(sum, 1, 2e-6);
          }
          EXPECT_LE(sum, 1 + 2e-6);
        }
      }
    }
  }
}

TEST(TopKRouter, TiesGoToTheLowerId) {
  Compute compute;
  const Matrix logits = compute.NewMatrix(2, 5,
                                          {1, 2, 1, 2, 2,  //
                                           0, 0, -0.0F, 0, 0});
  const RouterOutput out = Route(compute, logits, 2, true);
  EXPECT_THAT(out.routed, ElementsAre(FieldsAre(0, 1, 0.5F), FieldsAre(0, 3, 0.5F),  //
                                      FieldsAre(1, 0, 0.5F), FieldsAre(1, 1, 0.5F)));
}

// Probabilities round; logits tell apart what they cannot.
TEST(TopKRouter, SelectsByLogit) {
  Compute compute;
  const float high = std::nextafter(50.0F, 60.0F);
  const Matrix logits = compute.NewMatrix(1, 4, {-200, -199, 50, high});
  const RouterOutput out = Route(compute, logits, 3, false);
  EXPECT_EQ(out.routed[0].expert, 3);
  EXPECT_EQ(out.routed[1].expert, 2);
  EXPECT_EQ(out.routed[2].expert, 1);  // both have probability 0
  EXPECT_EQ(out.routed[2].weight, 0.0F);
}

TEST(TopKRouter, OneExpertGetsEverything) {
  Compute compute;
  for (const bool renormalize : {true, false}) {
    const RouterOutput out =
        Route(compute, compute.NewMatrix(3, 1, {5, -1e30F, 0}), 1, renormalize);
    ASSERT_EQ(out.routed.size(), 3U);
    for (const RoutedToken& routed : out.routed) {
      EXPECT_EQ(routed.expert, 0);
      EXPECT_EQ(routed.weight, 1.0F);
    }
  }
}

TEST(TopKRouter, NoTokensGiveNoChoices) {
  Compute compute;
  RouterOutput out;
  out.routed.resize(7);  // of an earlier call
  out.demand.resize(7);
  const auto router = MakeRouter("topk", {4, 2, true});
  (*router)->Route(compute.exec, {compute.exec.NewMatrix(0, 4), {}}, out);
  EXPECT_EQ(out.num_tokens, 0);
  EXPECT_EQ(out.num_experts, 4);
  EXPECT_TRUE(out.routed.empty());
  EXPECT_TRUE(out.demand.empty());
}

TEST(TopKRouter, TokensAreIndependent) {
  Compute compute;
  const Matrix logits = compute.NewRandomMatrix(30, 12, 3);
  const RouterOutput together = Route(compute, logits, 4, true);
  for (int64_t t = 0; t < 30; ++t) {
    const RouterOutput alone = Route(compute, {logits.Row(t), 1, 12}, 4, true);
    for (size_t k = 0; k < 4; ++k) {
      const RoutedToken& a = together.routed[static_cast<size_t>(t) * 4 + k];
      EXPECT_EQ(a.expert, alone.routed[k].expert);
      EXPECT_EQ(Bits(a.weight), Bits(alone.routed[k].weight));
    }
  }
}

// A broken model must not break the engine: still k different experts that exist.
TEST(TopKRouter, NanLogitsStillNameExperts) {
  Compute compute;
  constexpr int64_t kExperts = 40;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto values = RandomValues(kExperts, seed);
    for (size_t i = seed % 3; i < values.size(); i += 1 + seed % 5) {
      values[i] = std::numeric_limits<float>::quiet_NaN();
    }
    const RouterOutput out = Route(compute, compute.NewMatrix(1, kExperts, values), 8, true);
    std::set<int32_t> experts;
    for (const RoutedToken& routed : out.routed) {
      EXPECT_TRUE(routed.expert >= 0 && routed.expert < kExperts);
      experts.insert(routed.expert);
    }
    EXPECT_EQ(experts.size(), 8U);
  }
}

TEST(TopKRouter, RefusesImpossibleNumbers) {
  for (const auto& [num_experts, top_k] : std::vector<std::pair<int64_t, int64_t>>{
           {8, 0}, {8, -1}, {8, 9}, {0, 0}, {0, 1}, {-1, -1}}) {
    const auto router = MakeRouter("topk", {num_experts, top_k, true});
    ASSERT_FALSE(router.ok()) << num_experts << ", " << top_k;
    EXPECT_EQ(router.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(router.status().message(), HasSubstr(std::to_string(top_k)));
  }
  EXPECT_TRUE(MakeRouter("topk", {8, 8, true}).ok());
}

}  // namespace
}  // namespace moiety
