#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"

namespace moiety {
namespace {

TEST(AttentiveRouter, FollowsItsEquation) {
  constexpr size_t kExperts = 7;
  constexpr size_t kKey = 5;
  const OwnedWeight keys = OwnedWeight::Random({kExperts, kKey}, 1);
  const std::vector<WeightRef> weights = {keys.ref()};
  for (const bool renormalize : {false, true}) {
    const RouterOptions options = {
        .num_experts = kExperts, .top_k = 3, .renormalize = renormalize, .d_key = kKey};
    const auto router = MakeRouter("attentive", options);
    EXPECT_EQ((*router)->gate_rows(), 5);
    ASSERT_EQ((*router)->weights().size(), 1U);
    EXPECT_EQ((*router)->weights()[0].name, "keys.weight");
    EXPECT_EQ((*router)->weights()[0].shape, (Shape{7, 5}));
    ExpectGradients({.inputs = {RandomInput(11, kKey, 2, 4)},
                     .weights = {&keys},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           const RouterOutput out = RouteWith(exec, "attentive", options,
                                                              {.logits = x[0], .weights = weights});
                           std::vector<Matrix> outputs = ChoiceOutputs(exec, out);
                           outputs.push_back(out.logits);
                           return outputs;
                         },
                     .formula =
                         [&](const Reals& v) {
                           std::vector<double> logits = ProductOf(v[0], v[1], kKey);
                           for (double& logit : logits)
                             logit /= std::sqrt(static_cast<double>(kKey));
                           auto choices =
                               RealTop(logits, SoftmaxRowsOf(logits, kExperts), kExperts, 3);
                           if (renormalize) RealNormalize(choices);
                           std::vector<double> values = RealOutputs(choices);
                           values.insert(values.end(), logits.begin(), logits.end());
                           return values;
                         },
                     .terms = 2 * kExperts + kKey});
  }
}

// Top-k scores with a gate of its own for each expert; here experts with one key are one.
TEST(AttentiveRouter, ExpertsOfOneKeyAreAlike) {
  Compute compute;
  std::vector<float> values = RandomValues(4 * 3, 3);
  std::copy_n(values.begin(), 3, values.begin() + 9);
  const OwnedWeight keys({4, 3}, values);
  const std::vector<WeightRef> weights = {keys.ref()};
  const RouterOutput out =
      RouteWith(compute.exec, "attentive", {.num_experts = 4, .top_k = 4, .d_key = 3},
                {.logits = compute.NewRandomMatrix(10, 3, 4), .weights = weights});
  for (int64_t t = 0; t < 10; ++t) {
    EXPECT_EQ(Bits(out.logits.Row(t)[0]), Bits(out.logits.Row(t)[3]));
  }
}

TEST(AttentiveRouter, RefusesKeysWithoutWidth) {
  EXPECT_FALSE(MakeRouter("attentive", {.num_experts = 4, .top_k = 1, .d_key = 0}).ok());
}

}  // namespace
}  // namespace moiety
