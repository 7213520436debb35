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

constexpr std::array<int64_t, 2> kNoisyLengths = {7, 5};
constexpr size_t kNoisyExperts = 6;
constexpr size_t kNoisyWidth = 4;
constexpr TrainingNoise kNoisyTraining = {.seed = 3, .step = 11, .first_sequence = 4};

TEST(NoisyTopKRouter, FollowsItsEquation) {
  const std::vector<Segment> segments = SegmentsOf(kNoisyLengths);
  const OwnedWeight noise = OwnedWeight::Random({kNoisyExperts, kNoisyWidth}, 1);
  const std::vector<WeightRef> weights = {noise.ref()};
  const RandomField field(3, 11, static_cast<uint32_t>(RouterDraw::kNoise), 2);
  for (const double factor : {0.0, 1.0}) {
    const RouterOptions options = {
        .num_experts = kNoisyExperts, .top_k = 2, .capacity_factor = factor, .noise = 1.5};
    ExpectGradients(
        {.inputs = {RandomInput(12, kNoisyExperts, 2, 2), RandomInput(12, kNoisyWidth, 3, 2)},
         .weights = {&noise},
         .run =
             [&](Exec& exec, std::span<const Matrix> x) {
               exec.tape()->set_noise(kNoisyTraining);
               const RouterOutput out = RouteWith(exec, "noisy_topk", options,
                                                  {.logits = x[0],
                                                   .segments = segments,
                                                   .x = x[1],
                                                   .weights = weights,
                                                   .layer = 2},
                                                  kNoisyWidth);
               EXPECT_EQ(out.logits.data, x[0].data);
               std::vector<Matrix> outputs = ChoiceOutputs(exec, out);
               outputs.push_back(out.noisy_logits);
               outputs.push_back(out.deviation);
               return outputs;
             },
         .formula =
             [&](const Reals& v) {
               std::vector<double> deviation;
               for (const double value : ProductOf(v[1], v[2], kNoisyWidth)) {
                 deviation.push_back(1.5 * std::log1p(std::exp(value)));
               }
               std::vector<double> noisy;
               for (size_t i = 0; i < deviation.size(); ++i) {
                 const auto row = static_cast<int64_t>(i / kNoisyExperts);
                 const double draw = field.Normal(row < 7 ? 4 : 5, row < 7 ? row : row - 7,
                                                  static_cast<int64_t>(i % kNoisyExperts));
                 noisy.push_back(v[0][i] + draw * deviation[i]);
               }
               auto choices = RealTop(noisy, SoftmaxRowsOf(noisy, kNoisyExperts), kNoisyExperts, 2);
               RealNormalize(choices);
               if (factor > 0) {
                 choices = RealRoom(choices, kNoisyLengths, factor, 2, kNoisyExperts);
               }
               std::vector<double> values = RealOutputs(choices);
               values.insert(values.end(), noisy.begin(), noisy.end());
               values.insert(values.end(), deviation.begin(), deviation.end());
               return values;
             },
         .terms = 2 * kNoisyExperts + kNoisyWidth,
         .trains_otherwise = true});
  }
}

TEST(NoisyTopKRouter, IsTopKWithoutATapeOrNoise) {
  const OwnedWeight noise = OwnedWeight::Random({8, 4}, 4);
  const std::vector<WeightRef> weights = {noise.ref()};
  for (const bool train : {false, true}) {
    TapedCompute compute(1, *AvailableKernels().back(), train);
    const Matrix logits = compute.NewRandomMatrix(30, 8, 5);
    const RouterInput input = {
        .logits = logits, .x = compute.NewRandomMatrix(30, 4, 6), .weights = weights};
    const RouterOutput noisy =
        RouteWith(compute.exec, "noisy_topk", {.num_experts = 8, .top_k = 2, .noise = 0}, input, 4);
    const RouterOutput plain =
        RouteWith(compute.exec, "topk", {.num_experts = 8, .top_k = 2}, input);
    EXPECT_TRUE(SameBits(Values(noisy.weights), Values(plain.weights)));
    EXPECT_EQ(noisy.noisy_logits.data != nullptr, train);
  }
}

// Top-k never sends a token to an expert that is second by a hair.
TEST(NoisyTopKRouter, CloseExpertsTakeTurns) {
  const OwnedWeight noise({2, 1}, {0, 0});  // a deviation of log 2
  const std::vector<WeightRef> weights = {noise.ref()};
  TapedCompute compute;
  std::vector<float> values;
  for (int t = 0; t < 400; ++t) values.insert(values.end(), {0.1F, 0.0F});
  const RouterOutput out = RouteWith(compute.exec, "noisy_topk", {.num_experts = 2, .top_k = 1},
                                     {.logits = compute.NewMatrix(400, 2, values),
                                      .x = compute.NewRandomMatrix(400, 1, 7),
                                      .weights = weights},
                                     1);
  // P(N(0.1, 2 log²2) > 0) = 0.541; five standard deviations.
  EXPECT_NEAR(static_cast<double>(LoadsOf(out)[0]), 216, 50);
}

}  // namespace
}  // namespace moiety
