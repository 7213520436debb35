#include "routing/router_losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "ops/losses.h"
#include "routing/balance_loss.h"
#include "routing/importance_loss.h"
#include "routing/specialisation_losses.h"
#include "support/bits.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

// Two layers with noisy routers of 3 experts over 6 tokens in two sequences.
struct LossCalls {
  LossCalls() {
    for (uint64_t layer = 0; layer < 2; ++layer) {
      RouterOutput call;
      call.num_tokens = 6;
      call.num_experts = 3;
      call.logits = compute.NewRandomMatrix(6, 3, 10 + layer);
      call.noisy_logits = compute.NewRandomMatrix(6, 3, 20 + layer);
      call.deviation = compute.NewRandomMatrix(6, 3, 30 + layer);
      call.scores = compute.NewRandomMatrix(6, 3, 40 + layer);
      call.weights = compute.NewRandomMatrix(6, 1, 50 + layer);
      call.x = compute.NewRandomMatrix(6, 8, 60 + layer);
      for (Matrix* m : {&call.deviation, &call.scores, &call.weights}) {
        for (int64_t i = 0; i < m->size(); ++i) m->data[i] = std::abs(m->data[i]) + 0.1F;
      }
      for (int32_t t = 0; t < 6; ++t) {
        call.routed.push_back({t, (t * t + static_cast<int32_t>(layer)) % 3, call.weights.data[t]});
      }
      calls.push_back(call);
    }
  }
  std::vector<float> Gradients() {
    std::vector<float> all;
    for (const RouterOutput& call : calls) {
      for (const Matrix& m :
           {call.logits, call.noisy_logits, call.deviation, call.scores, call.weights, call.x}) {
        const std::vector<float> gradient = Copy(compute.tape.Gradient(m));
        all.insert(all.end(), gradient.begin(), gradient.end());
      }
    }
    return all;
  }

  TapedCompute compute;
  std::vector<RouterOutput> calls;
  std::vector<Segment> sequences = {
      {.begin = 0, .count = 2, .position = 0, .sequence = 0, .pages = {}},
      {.begin = 2, .count = 4, .position = 0, .sequence = 1, .pages = {}}};
};

// In the order of kRouterLosses.
using OneLoss = std::function<double(LossCalls&, const RouterOutput&, float scale)>;
const std::vector<OneLoss> kEachLoss = {
    [](LossCalls& c, const RouterOutput& call, float scale) {
      return BalanceLoss(c.compute.exec, {&call, 1}, scale);
    },
    [](LossCalls& c, const RouterOutput& call, float scale) {
      return SquaredLogSumExp(c.compute.exec, call.logits, scale / 6) / 6;
    },
    [](LossCalls& c, const RouterOutput& call, float scale) {
      return ImportanceLoss(c.compute.exec, call, scale);
    },
    [](LossCalls& c, const RouterOutput& call, float scale) {
      return LoadLoss(c.compute.exec, call, scale);
    },
    [](LossCalls& c, const RouterOutput& call, float scale) {
      return EntropyLoss(c.compute.exec, call, scale);
    },
    [](LossCalls& c, const RouterOutput& call, float scale) {
      return MutualInformationLoss(c.compute.exec, call, scale);
    },
    [](LossCalls& c, const RouterOutput& call, float scale) {
      return SimilarityLoss(c.compute.exec, call, c.sequences, scale);
    }};

// The mean over layers, with a coefficient for the gradient; what has none is not computed.
TEST(RouterLosses, EachIsTheMeanOverLayers) {
  ASSERT_EQ(kEachLoss.size(), kRouterLosses.size());
  for (size_t i = 0; i < kRouterLosses.size(); ++i) {
    SCOPED_TRACE(kRouterLosses[i].name);
    LossCalls expected;
    double mean = 0;
    for (const RouterOutput& call : expected.calls) {
      mean += kEachLoss[i](expected, call, 0.25F * 0.5F * 3) / 2;
    }
    LossCalls found;
    RouterLossOptions options;
    options.*kRouterLosses[i].coefficient = 3;
    const RouterLosses losses =
        AddRouterLosses(found.compute.exec, found.calls, found.sequences, options, 0.25F);
    EXPECT_NE(mean, 0);
    for (size_t j = 0; j < kRouterLosses.size(); ++j) {
      EXPECT_EQ(losses.*kRouterLosses[j].value, i == j ? mean : 0) << kRouterLosses[j].name;
    }
    EXPECT_TRUE(SameBits(found.Gradients(), expected.Gradients()));
  }
}

TEST(RouterLosses, AllAtOnceAddUp) {
  LossCalls all;
  RouterLossOptions options;
  for (size_t i = 0; i < kRouterLosses.size(); ++i) {
    options.*kRouterLosses[i].coefficient = 1 + static_cast<double>(i);
  }
  const RouterLosses losses =
      AddRouterLosses(all.compute.exec, all.calls, all.sequences, options, 0.25F);
  LossCalls each;
  for (const RouterLossInfo& info : kRouterLosses) {
    RouterLossOptions one;
    one.*info.coefficient = options.*info.coefficient;
    const RouterLosses found =
        AddRouterLosses(each.compute.exec, each.calls, each.sequences, one, 0.25F);
    EXPECT_EQ(found.*info.value, losses.*info.value) << info.name;
  }
  EXPECT_TRUE(SameBits(all.Gradients(), each.Gradients()));
}

TEST(RouterLosses, PooledBalanceIsThatOfAllCalls) {
  LossCalls expected;
  const double pooled = BalanceLoss(expected.compute.exec, expected.calls, 0.75F);
  LossCalls found;
  RouterLossOptions options;
  options.balance = 3;
  options.pooled_balance = true;
  const RouterLosses losses =
      AddRouterLosses(found.compute.exec, found.calls, found.sequences, options, 0.25F);
  EXPECT_EQ(losses.balance, pooled);
  EXPECT_TRUE(SameBits(found.Gradients(), expected.Gradients()));
}

// Of no layers, of no tokens, and of routers that have neither logits nor scores.
TEST(RouterLosses, OfNothing) {
  RouterLossOptions options;
  for (const RouterLossInfo& info : kRouterLosses) options.*info.coefficient = 1;
  LossCalls c;
  RouterOutput no_tokens;
  no_tokens.num_experts = 3;
  RouterOutput no_gate;
  no_gate.num_tokens = 2;
  no_gate.num_experts = 3;
  no_gate.x = c.compute.NewRandomMatrix(2, 8, 1);
  for (const auto& calls : {std::vector<RouterOutput>(), {no_tokens}, {no_gate}}) {
    const RouterLosses losses = AddRouterLosses(
        c.compute.exec, calls, std::span(c.sequences).first(calls.size()), options, 1);
    for (const RouterLossInfo& info : kRouterLosses) EXPECT_EQ(losses.*info.value, 0) << info.name;
  }
  EXPECT_TRUE(c.compute.exec.ok());
}

TEST(RouterLosses, FailWithoutMemory) {
  for (const RouterLossInfo& info : kRouterLosses) {
    // Balance leaves the failure to the tape.
    if (info.name == "balance_loss") continue;
    SCOPED_TRACE(info.name);
    LossCalls values;
    TapedCompute compute(1, *AvailableKernels().back(), true, 16);
    for (const RouterOutput& call : values.calls) {
      for (const Matrix& m :
           {call.logits, call.noisy_logits, call.deviation, call.scores, call.weights, call.x}) {
        compute.tape.AddValue(m);
      }
    }
    RouterLossOptions options;
    options.*info.coefficient = 1;
    AddRouterLosses(compute.exec, values.calls, values.sequences, options, 1);
    EXPECT_EQ(compute.exec.status().code(), StatusCode::kResourceExhausted);
  }
}

}  // namespace
}  // namespace moiety
