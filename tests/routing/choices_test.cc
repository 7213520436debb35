#include "routing/choices.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"

namespace moiety {
namespace {

// Tokens with several choices, one of them twice, with one and with none.
const std::vector<RoutedToken> kChoices = {{0, 2, 0}, {0, 0, 0}, {2, 3, 0}, {3, 1, 0},
                                           {3, 2, 0}, {3, 1, 0}, {5, 0, 0}};
constexpr int64_t kNumExperts = 4;
constexpr int64_t kNumTokens = 6;

std::vector<double> TakenOf(const std::vector<double>& scores) {
  std::vector<double> weights;
  for (const RoutedToken& choice : kChoices) {
    weights.push_back(scores[static_cast<size_t>(choice.token * kNumExperts + choice.expert)]);
  }
  return weights;
}

std::vector<double> NormalOf(const std::vector<double>& weights, double eps) {
  std::vector<double> normal;
  for (size_t i = 0; i < weights.size(); ++i) {
    double sum = eps;
    for (size_t j = 0; j < weights.size(); ++j) {
      if (kChoices[j].token == kChoices[i].token) sum += weights[j];
    }
    normal.push_back(weights[i] / sum);
  }
  return normal;
}

TEST(TakeChoices, AreTheScoresOfTheChosen) {
  Compute compute;
  const Matrix scores = compute.NewRandomMatrix(kNumTokens, kNumExperts, 1);
  const Matrix weights = TakeChoices(compute.exec, scores, kChoices);
  ASSERT_EQ(weights.rows, 7);
  ASSERT_EQ(weights.cols, 1);
  for (size_t i = 0; i < kChoices.size(); ++i) {
    EXPECT_EQ(weights.data[i], scores.Row(kChoices[i].token)[kChoices[i].expert]);
  }
  EXPECT_EQ(TakeChoices(compute.exec, scores, {}).rows, 0);
}

TEST(TakeChoices, GradientsOfScores) {
  ExpectGradients({.inputs = {RandomInput(kNumTokens, kNumExperts, 2)},
                   .weights = {},
                   .run =
                       [](Exec& exec, std::span<const Matrix> x) {
                         return std::vector{TakeChoices(exec, x[0], kChoices)};
                       },
                   .formula = [](const Reals& v) { return TakenOf(v[0]); },
                   .terms = 2});
}

TEST(NormalizeChoices, SumToOneForEachToken) {
  Compute compute;
  const Matrix weights = compute.NewMatrix(7, 1, {1, 3, 0.25F, 1, 2, 1, 8});
  const std::vector<float> before = Copy(weights);
  EXPECT_EQ(Copy(NormalizeChoices(compute.exec, weights, kChoices)),
            (std::vector<float>{0.25F, 0.75F, 1, 0.25F, 0.5F, 0.25F, 1}));
  EXPECT_EQ(Copy(NormalizeChoices(compute.exec, weights, kChoices, 4)),
            (std::vector<float>{0.125F, 0.375F, 0.25F / 4.25F, 0.125F, 0.25F, 0.125F, 8.0F / 12}));
  EXPECT_TRUE(SameBits(Values(weights), before));
}

TEST(NormalizeChoices, GradientsOfWeights) {
  for (const float eps : {0.0F, 0.5F}) {
    GradientInput weights = RandomInput(7, 1, 3);
    for (float& weight : weights.values) weight = 1.5F + weight;
    ExpectGradients(
        {.inputs = {weights},
         .weights = {},
         .run =
             [eps](Exec& exec, std::span<const Matrix> x) {
               return std::vector{NormalizeChoices(exec, x[0], kChoices, eps)};
             },
         .formula = [eps](const Reals& v) { return NormalOf(v[0], static_cast<double>(eps)); },
         .terms = 3});
  }
}

TEST(SetWeights, WritesThemIntoTheChoices) {
  Compute compute;
  RouterOutput out;
  out.routed = kChoices;
  const Matrix weights = compute.NewRandomMatrix(7, 1, 4);
  SetWeights(compute.exec, weights, out);
  EXPECT_EQ(out.weights.data, weights.data);
  for (size_t i = 0; i < kChoices.size(); ++i) EXPECT_EQ(out.routed[i].weight, weights.data[i]);
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<int32_t> ExpertsOf(const RouterOutput& out) {
  std::vector<int32_t> experts;
  for (const RoutedToken& choice : out.routed) experts.push_back(choice.expert);
  return experts;
}

TEST(ChooseTop, TiesGoToTheLowerIdAndNanIsTheLowest) {
  Compute compute;
  const Matrix keys =
      compute.NewMatrix(4, 5, {1,    2,          1,    2,    2,  //
                               kNan, -kInfinity, 3,    kNan,     //
                               -1,   kNan,       kNan, kNan, kNan, kNan, 0, -0.0F, 0, 0, 0});
  RouterOutput out;
  ChooseTop(keys, 4, out);
  EXPECT_THAT(ExpertsOf(out), testing::ElementsAre(1, 3, 4, 0, 2, 4, 1, 0, 0, 1, 2, 3, 0, 1, 2, 3));
  for (size_t i = 0; i < out.routed.size(); ++i) {
    EXPECT_EQ(out.routed[i].token, static_cast<int32_t>(i / 4));
  }
  // Behind what is there.
  ChooseTop(keys, 1, out);
  EXPECT_EQ(out.routed.size(), 20U);
  EXPECT_EQ(out.routed[16].expert, 1);
}

TEST(ChooseTop, FollowsTheOrderOfKeys) {
  Compute compute;
  const Matrix keys = compute.NewRandomMatrix(40, 30, 11);
  const std::vector<double> real = ToReals(Copy(keys));
  for (const int64_t k : {1, 7, 30}) {
    RouterOutput out;
    ChooseTop(keys, k, out);
    const auto expected = RealTop(real, real, 30, static_cast<size_t>(k));
    ASSERT_EQ(out.routed.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(static_cast<size_t>(out.routed[i].expert), expected[i].expert);
    }
  }
}

TEST(CloseGroups, LeavesTheBestOnesOpen) {
  Compute compute;
  for (const auto& [groups, open, best] : std::vector<std::array<int64_t, 3>>{
           {4, 2, 1}, {4, 2, 2}, {3, 1, 9}, {12, 5, 2}, {1, 1, 2}}) {
    const size_t size = static_cast<size_t>(12 / groups);
    const Matrix keys = compute.NewRandomMatrix(30, 12, 12);
    const std::vector<float> before = Copy(keys);
    CloseGroups(keys, {.num_experts = 12, .groups = groups, .groups_per_token = open}, best);
    for (int64_t t = 0; t < 30; ++t) {
      std::vector<double> sums;
      for (size_t g = 0; g < static_cast<size_t>(groups); ++g) {
        const float* const first = before.data() + static_cast<size_t>(t) * 12 + g * size;
        std::vector<double> members = ToReals({first, first + size});
        std::sort(members.rbegin(), members.rend());
        members.resize(std::min(size, static_cast<size_t>(best)));
        sums.push_back(std::accumulate(members.begin(), members.end(), 0.0));
      }
      const std::vector<size_t> order = Descending(sums);
      for (size_t e = 0; e < 12; ++e) {
        const auto rank = std::find(order.begin(), order.end(), e / size) - order.begin();
        EXPECT_EQ(keys.Row(t)[e],
                  rank < open ? before[static_cast<size_t>(t) * 12 + e] : -kInfinity);
      }
    }
  }
}

TEST(CloseGroups, OfBrokenKeysAreClosedFirst) {
  Compute compute;
  const Matrix keys = compute.NewMatrix(1, 6, {kNan, 9, -1, -2, -3, -4});
  CloseGroups(keys, {.num_experts = 6, .groups = 3, .groups_per_token = 2}, 2);
  EXPECT_EQ(Copy({keys.data, 1, 2}), (std::vector<float>{-kInfinity, -kInfinity}));
  EXPECT_EQ(keys.data[2], -1);
  EXPECT_EQ(keys.data[5], -4);
}

// Two sequences, one of them without room for all.
constexpr std::array<int64_t, 3> kLengths = {9, 4, 12};
constexpr int64_t kRows = 25;

TEST(ChoicesWithRoom, ComeFirstInTokenOrder) {
  Compute compute;
  const std::vector<Segment> segments = SegmentsOf(kLengths);
  const Matrix keys = compute.NewRandomMatrix(kRows, 5, 13);
  for (int64_t t = 0; t < kRows; ++t) keys.Row(t)[2] += 0.8F;  // one that many want
  const std::vector<double> real = ToReals(Copy(keys));
  for (const double factor : {0.0, 0.3, 1.0, 1.25, 5.0}) {
    RouterOutput out;
    out.num_tokens = kRows;
    out.num_experts = 5;
    ChooseTop(keys, 2, out);
    const std::vector<int64_t> loads = LoadsOf(out);
    const std::vector<int32_t> kept =
        ChoicesWithRoom({.logits = keys, .segments = segments}, factor, 2, out);
    EXPECT_EQ(out.routed.size(), 50U) << "nothing is dropped yet";
    EXPECT_EQ(out.demand, loads) << "those without room count too";
    const auto all = RealTop(real, real, 5, 2);
    const auto expected = factor == 0 ? all : RealRoom(all, kLengths, factor, 2, 5);
    ASSERT_EQ(kept.size(), expected.size()) << factor;
    for (size_t i = 0; i < kept.size(); ++i) {
      const auto& choice = all[static_cast<size_t>(kept[i])];
      EXPECT_EQ(choice.token, expected[i].token);
      EXPECT_EQ(choice.expert, expected[i].expert);
    }
    if (factor == 1.0) {
      EXPECT_LT(kept.size(), 50U);
    }
  }
}

TEST(ChoicesWithRoom, WithoutSegmentsAreOfOneSequence) {
  Compute compute;
  RouterOutput out;
  out.num_tokens = 6;
  out.num_experts = 2;
  out.routed = {{0, 1, 0}, {1, 1, 0}, {2, 1, 0}, {3, 1, 0}, {5, 0, 0}};
  EXPECT_THAT(ChoicesWithRoom({}, 1, 1, out), testing::ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(out.demand, testing::ElementsAre(1, 4));
}

TEST(KeepChoices, LeavesSomeAndTheirGradients) {
  for (const auto& kept : std::vector<std::vector<int32_t>>{{}, {3}, {0, 2, 5, 6}}) {
    ExpectGradients({.inputs = {RandomInput(7, 1, 14)},
                     .weights = {},
                     .run =
                         [kept](Exec& exec, std::span<const Matrix> x) {
                           RouterOutput out;
                           out.routed = kChoices;
                           Matrix weights = x[0];
                           KeepChoices(exec, kept, weights, out);
                           SetWeights(exec, weights, out);
                           return ChoiceOutputs(exec, out);
                         },
                     .formula =
                         [kept](const Reals& v) {
                           std::vector<RealChoice> choices;
                           for (const int32_t i : kept) {
                             const RoutedToken& choice = kChoices[static_cast<size_t>(i)];
                             choices.push_back({static_cast<size_t>(choice.token),
                                                static_cast<size_t>(choice.expert),
                                                v[0][static_cast<size_t>(i)]});
                           }
                           return RealOutputs(choices);
                         },
                     .terms = 1});
  }
}

TEST(WeighChoices, GradientsOfScores) {
  const std::vector<Segment> segments = SegmentsOf(kLengths);
  for (const double scale : {1.0, 2.5}) {
    for (const bool renormalize : {false, true}) {
      for (const double factor : {0.0, 1.0}) {
        const RouterOptions options = {
            .num_experts = 5, .top_k = 2, .renormalize = renormalize, .capacity_factor = factor};
        GradientInput scores = RandomInput(kRows, 5, 15);
        for (float& score : scores.values) score = 1.5F + score;
        ExpectGradients({.inputs = {scores},
                         .weights = {},
                         .run =
                             [&](Exec& exec, std::span<const Matrix> x) {
                               const RouterInput input = {.logits = x[0], .segments = segments};
                               RouterOutput out;
                               out.Reset(input, 5);
                               out.scores = x[0];
                               ChooseTop(x[0], 2, out);
                               WeighChoices(exec, input, options, out, static_cast<float>(scale));
                               return ChoiceOutputs(exec, out);
                             },
                         .formula =
                             [&](const Reals& v) {
                               auto choices = RealTop(v[0], v[0], 5, 2);
                               if (renormalize) RealNormalize(choices);
                               for (RealChoice& choice : choices) choice.weight *= scale;
                               if (factor > 0) choices = RealRoom(choices, kLengths, factor, 2, 5);
                               return RealOutputs(choices);
                             },
                         .terms = 4,
                         .trains_otherwise = factor > 0});
      }
    }
  }
}

TEST(WeighChoices, DropsNothingAtInference) {
  Compute compute;
  RouterOutput out;
  const RouterInput input = {.logits = compute.NewRandomMatrix(10, 4, 16)};
  out.Reset(input, 4);
  out.scores = input.logits;
  ChooseTop(input.logits, 1, out);
  WeighChoices(compute.exec, input, {.num_experts = 4, .top_k = 1, .capacity_factor = 0.1}, out);
  EXPECT_EQ(out.routed.size(), 10U);
  EXPECT_TRUE(out.demand.empty());
}

TEST(Choices, DoNothingAfterAFailure) {
  Compute compute;
  const Matrix scores = compute.NewRandomMatrix(kNumTokens, kNumExperts, 5);
  RouterOutput out;
  out.routed = kChoices;
  compute.exec.Fail(Cancelled("stop"));
  const Matrix weights = TakeChoices(compute.exec, scores, kChoices);
  EXPECT_EQ(weights.data, nullptr);
  const Matrix normal = NormalizeChoices(compute.exec, weights, kChoices);
  EXPECT_EQ(normal.data, nullptr);
  SetWeights(compute.exec, normal, out);
  EXPECT_EQ(out.routed[0].weight, 0);
}

}  // namespace
}  // namespace moiety
