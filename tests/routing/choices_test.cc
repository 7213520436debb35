#include "routing/choices.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"

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
