#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"

namespace moiety {
namespace {

constexpr size_t kGaussians = 5;
constexpr size_t kGaussianWidth = 12;

// log prior + (log density) / d, but for what all experts share.
std::vector<double> GaussianLogs(RealSpan x, RealSpan means, RealSpan log_variance,
                                 RealSpan log_prior) {
  std::vector<double> logits;
  for (size_t t = 0; t * kGaussianWidth < x.size(); ++t) {
    for (size_t e = 0; e < kGaussians; ++e) {
      double squares = 0;
      for (size_t k = 0; k < kGaussianWidth; ++k) {
        const double d = x[t * kGaussianWidth + k] - means[e * kGaussianWidth + k];
        squares += d * d;
      }
      logits.push_back(log_prior[e] - log_variance[e] / 2 -
                       squares / (2 * std::exp(log_variance[e])) / kGaussianWidth);
    }
  }
  return logits;
}

TEST(GaussianRouter, FollowsItsEquation) {
  const OwnedWeight log_variance = OwnedWeight::Random({kGaussians}, 2);
  const OwnedWeight log_prior = OwnedWeight::Random({kGaussians}, 3);
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    const OwnedWeight means = OwnedWeight::Random({kGaussians, kGaussianWidth}, 1, dtype);
    const std::vector<WeightRef> weights = {means.ref(), log_variance.ref(), log_prior.ref()};
    for (const bool renormalize : {false, true}) {
      const RouterOptions options = {
          .num_experts = kGaussians, .top_k = 2, .renormalize = renormalize};
      ExpectGradients(
          {.inputs = {RandomInput(13, kGaussianWidth, 4, 2)},
           .weights = {&means, &log_variance, &log_prior},
           .run =
               [&](Exec& exec, std::span<const Matrix> x) {
                 const RouterOutput out = RouteWith(
                     exec, "gaussian", options, {.x = x[0], .weights = weights}, kGaussianWidth);
                 std::vector<Matrix> outputs = ChoiceOutputs(exec, out);
                 outputs.push_back(out.logits);
                 return outputs;
               },
           .formula =
               [&](const Reals& v) {
                 const std::vector<double> logits = GaussianLogs(v[0], v[1], v[2], v[3]);
                 auto choices = RealTop(logits, SoftmaxRowsOf(logits, kGaussians), kGaussians, 2);
                 if (renormalize) RealNormalize(choices);
                 std::vector<double> values = RealOutputs(choices);
                 values.insert(values.end(), logits.begin(), logits.end());
                 return values;
               },
           .terms = 4 * kGaussianWidth});
    }
  }
}

// With a linear gate, what a token's expert is does not change with the token's length; here it is
// where the token is that counts.
TEST(GaussianRouter, ExpertsAreLocal) {
  Compute compute;
  const OwnedWeight means({3, 2}, {1, 0, 4, 0, 0, 4});
  const OwnedWeight log_variance({3}, {0, 0, 0});
  const OwnedWeight log_prior({3}, {0, 0, 0});
  const std::vector<WeightRef> weights = {means.ref(), log_variance.ref(), log_prior.ref()};
  const Matrix x = compute.NewMatrix(4, 2, {1, 0, 4, 0, 1, 4, 2, 0});
  const RouterOutput out = RouteWith(compute.exec, "gaussian", {.num_experts = 3, .top_k = 1},
                                     {.x = x, .weights = weights}, 2);
  EXPECT_EQ(out.routed[0].expert, 0);
  EXPECT_EQ(out.routed[1].expert, 1);
  EXPECT_EQ(out.routed[2].expert, 2);
  EXPECT_EQ(out.routed[3].expert, 0);
}

}  // namespace
}  // namespace moiety
