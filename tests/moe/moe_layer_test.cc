#include "moe/moe_layer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "ops/elementwise.h"
#include "ops/observer.h"
#include "routing/route_edit.h"
#include "support/bits.h"
#include "support/compute.h"
#include "support/expert.h"
#include "support/gradient_check.h"

namespace moiety {
namespace {

constexpr int64_t kWidth = 18;
constexpr int64_t kExpertWidth = 10;

// A layer of random experts with a topk router.
struct TestLayer {
  TestLayer(int64_t num_experts, int64_t top_k, DType dtype = DType::kF32)
      : gate(OwnedWeight::Random({num_experts, kWidth}, 1000)) {
    for (int64_t e = 0; e < num_experts; ++e)
      tests.emplace_back(kWidth, kExpertWidth, static_cast<uint64_t>(e), dtype);
    moe.gate = gate.ref();
    moe.router = *MakeRouter("topk", {.num_experts = num_experts, .top_k = top_k});
    for (const TestExpert& test : tests) moe.experts.push_back(test.ffn());
  }
  OwnedWeight gate;
  std::vector<TestExpert> tests;
  MoeLayer moe;
};

class RecordingObserver : public Observer {
 public:
  void OnRoute(int64_t layer, const RouterOutput& routed) override {
    layers.push_back(layer);
    outputs.push_back(routed);
  }
  std::vector<int64_t> layers;
  std::vector<RouterOutput> outputs;
};

// A router whose choices the test gives.
class FixedRouter : public Router {
 public:
  explicit FixedRouter(std::vector<RoutedToken> choices) : choices_(std::move(choices)) {}
  int64_t gate_rows() const override { return 1; }
  void Route(Exec&, const RouterInput& input, RouterOutput& out) const override {
    out.num_tokens = input.logits.rows;
    out.num_experts = input.logits.cols;
    out.logits = input.logits;
    out.routed = choices_;
  }

 private:
  std::vector<RoutedToken> choices_;
};

// Leaves the last choices of the router, and sends them to expert 0.
class KeepLast : public RouteEdit {
 public:
  explicit KeepLast(size_t count) : count_(count) {}
  Status Edit(int64_t layer, const Batch& batch, RouterOutput& routed) override {
    if (routed.routed.size() < count_) return InvalidArgument("too few choices");
    layers.push_back(layer);
    num_rows = batch.num_rows();
    routed.routed.erase(routed.routed.begin(),
                        routed.routed.end() - static_cast<ptrdiff_t>(count_));
    for (RoutedToken& choice : routed.routed) choice.expert = 0;
    routed.weights = {};
    return OkStatus();
  }
  std::vector<int64_t> layers;
  int64_t num_rows = 0;

 private:
  size_t count_;
};

// One token at a time, in double, with the choices that the observer saw.
void ExpectLayer(const Matrix& x, const Matrix& y, const TestLayer& layer,
                 const std::vector<RoutedToken>& routed) {
  ASSERT_EQ(y.rows, x.rows);
  ASSERT_EQ(y.cols, x.cols);
  for (int64_t t = 0; t < x.rows; ++t) {
    std::vector<Bounded> expected(kWidth);
    for (const RoutedToken& choice : routed) {
      if (choice.token != t) continue;
      const auto weight = static_cast<double>(choice.weight);
      const auto row = layer.tests[static_cast<size_t>(choice.expert)].Apply(x.Row(t));
      for (size_t i = 0; i < expected.size(); ++i) {
        expected[i].value += weight * row[i].value;
        // Combine rounds once per choice.
        expected[i].error += weight * row[i].error + 6 * 0x1p-24 * std::abs(weight * row[i].value);
      }
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(y.Row(t)[i]), expected[i].value, expected[i].error)
          << "token " << t;
    }
  }
}

TEST(MoeLayer, IsTheWeightedSumOfTheChosenExperts) {
  for (const auto& [num_experts, top_k] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {4, 1}, {8, 2}, {5, 5}, {200, 6}}) {
    const TestLayer layer(num_experts, top_k, num_experts == 8 ? DType::kBF16 : DType::kF32);
    for (const int64_t tokens : {1, 2, 37}) {
      RecordingObserver observer;
      Compute compute(2, &observer);
      const Matrix x = compute.NewRandomMatrix(tokens, kWidth, 3);
      const std::vector<float> before = Copy(x);
      const Matrix y = RunMoeLayer(compute.exec, x, {}, layer.moe, 11);
      ASSERT_TRUE(compute.exec.ok());
      EXPECT_TRUE(SameBits(Values(x), before)) << "the residual stream is still needed";
      ASSERT_EQ(observer.layers, std::vector<int64_t>{11});
      const RouterOutput& routed = observer.outputs[0];
      EXPECT_EQ(routed.num_tokens, tokens);
      EXPECT_EQ(routed.num_experts, num_experts);
      EXPECT_EQ(routed.routed.size(), static_cast<size_t>(tokens * top_k));
      ExpectLayer(x, y, layer, routed.routed);
    }
  }
}

TEST(MoeLayer, RunsAndShowsWhatEditsLeave) {
  const TestLayer layer(6, 2);
  RecordingObserver observer;
  Compute compute(1, &observer);
  const Matrix x = compute.NewRandomMatrix(4, kWidth, 4);
  const std::vector<int32_t> ids(4);
  Batch batch;
  batch.ids = ids;
  KeepLast five(5);
  KeepLast three(3);
  RouteEdit* const edits[] = {&five, &three};
  compute.exec.set_route_edits(edits);
  const Matrix y = RunMoeLayer(compute.exec, x, batch, layer.moe, 7);
  ASSERT_TRUE(compute.exec.ok());
  EXPECT_EQ(five.layers, std::vector<int64_t>{7});
  EXPECT_EQ(three.num_rows, 4);
  ASSERT_EQ(observer.outputs.size(), 1U);
  const std::vector<RoutedToken>& routed = observer.outputs[0].routed;
  ASSERT_EQ(routed.size(), 3U);
  EXPECT_EQ(routed[0].token, 2);
  EXPECT_EQ(routed[0].expert, 0);
  ExpectLayer(x, y, layer, routed);

  // An edit that fails ends the step; those after it and observers see nothing of it.
  KeepLast many(9);
  RouteEdit* const failing[] = {&many, &three};
  compute.exec.set_route_edits(failing);
  RunMoeLayer(compute.exec, x, batch, layer.moe, 8);
  EXPECT_EQ(compute.exec.status().message(), "too few choices");
  EXPECT_EQ(three.layers.size(), 1U);
  EXPECT_EQ(observer.outputs.size(), 1U);
}

// The observer gets what the router says about x · gateᵀ.
TEST(MoeLayer, RoutesByTheGate) {
  const TestLayer layer(6, 2);
  RecordingObserver observer;
  Compute compute(1, &observer);
  const Matrix x = compute.NewRandomMatrix(4, kWidth, 4);
  RunMoeLayer(compute.exec, x, {}, layer.moe, 0);
  for (int64_t t = 0; t < 4; ++t) {
    std::vector<double> logits(6, 0.0);
    for (int64_t e = 0; e < 6; ++e) {
      for (int64_t k = 0; k < kWidth; ++k)
        logits[static_cast<size_t>(e)] += layer.gate.at(e, k) * static_cast<double>(x.Row(t)[k]);
    }
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    EXPECT_EQ(observer.outputs[0].routed[static_cast<size_t>(2 * t)].expert, best);
  }
}

TEST(MoeLayer, ForNoTokens) {
  Compute compute;
  const TestLayer layer(4, 2);
  const Matrix y = RunMoeLayer(compute.exec, compute.exec.NewMatrix(0, kWidth), {}, layer.moe, 0);
  EXPECT_TRUE(compute.exec.ok());
  EXPECT_EQ(y.rows, 0);
}

TEST(MoeLayer, SameBitsForAnyThreadsAndBatches) {
  const TestLayer layer(8, 2, DType::kF16);
  const std::vector<float> rows = RandomValues(21 * kWidth, 5);
  const auto run = [&](int threads, int64_t first, int64_t count) {
    Compute compute(threads);
    const Matrix x = compute.NewMatrix(count, kWidth, {rows.begin() + first * kWidth, rows.end()});
    return Copy(RunMoeLayer(compute.exec, x, {}, layer.moe, 0));
  };
  const std::vector<float> expected = run(1, 0, 21);
  for (const int threads : {2, 3, 5})
    EXPECT_TRUE(SameBits(run(threads, 0, 21), expected)) << threads;
  for (int64_t t = 0; t < 21; ++t) {
    EXPECT_TRUE(SameBits(run(1, t, 1), {expected.data() + t * kWidth, kWidth})) << t;
  }
}

TEST(MoeLayer, TokensWithoutAChoiceGetZeros) {
  TestLayer layer(4, 2);
  const std::vector<RoutedToken> choices = {
      {0, 3, 0.25F}, {2, 3, 1.0F}, {2, 0, 0.5F}, {2, 3, 0.125F}};
  layer.moe.router = std::make_shared<FixedRouter>(choices);
  Compute compute;
  const Matrix x = compute.NewRandomMatrix(4, kWidth, 6);
  const Matrix y = RunMoeLayer(compute.exec, x, {}, layer.moe, 0);
  ExpectLayer(x, y, layer, choices);
  for (int64_t d = 0; d < kWidth; ++d) {
    EXPECT_EQ(Bits(y.Row(1)[d]), 0U);
    EXPECT_EQ(Bits(y.Row(3)[d]), 0U);
  }
}

TEST(MoeLayer, TheSharedExpertIsAddedLast) {
  TestLayer layer(4, 2);
  const TestExpert shared(kWidth, 13, 77);
  const OwnedWeight gate = OwnedWeight::Random({1, kWidth}, 78);
  Compute compute;
  const Matrix x = compute.NewRandomMatrix(5, kWidth, 9);
  const std::vector<float> chosen = Copy(RunMoeLayer(compute.exec, x, {}, layer.moe, 0));
  const Matrix added = RunFeedForward(compute.exec, x, shared.ffn());
  for (const bool gated : {false, true}) {
    layer.moe.shared = SharedExpert{shared.ffn(), gated ? gate.ref() : WeightRef()};
    const Matrix y = RunMoeLayer(compute.exec, x, {}, layer.moe, 0);
    const Matrix before = compute.NewMatrix(5, kWidth, chosen);
    const Matrix expected =
        gated ? AddGated(compute.exec, before, Linear(compute.exec, x, gate.ref()), added)
              : Add(compute.exec, before, added);
    ASSERT_TRUE(compute.exec.ok());
    EXPECT_TRUE(SameBits(Values(y), Values(expected))) << gated;
    EXPECT_FALSE(SameBits(Values(y), chosen)) << gated;
  }
}

// The layer in double: variables are x, the router's matrix, three matrices per expert, and perhaps
// those of the shared expert and its gate. The choices are fixed.
std::vector<double> LayerOf(const Reals& v, const std::vector<RoutedToken>& choices,
                            size_t num_experts, bool renormalize, bool shared, bool gated) {
  const std::vector<double> logits = ProductOf(v[0], v[1], kWidth);
  const auto row = [&](size_t t) { return RealSpan(v[0]).subspan(t * kWidth, kWidth); };
  std::vector<double> y(v[0].size());
  for (size_t t = 0; t * kWidth < y.size(); ++t) {
    const auto p = SoftmaxOf(RealSpan(logits).subspan(t * num_experts, num_experts));
    double sum = renormalize ? 0 : 1;
    for (const RoutedToken& choice : choices) {
      if (renormalize && choice.token == static_cast<int32_t>(t)) {
        sum += p[static_cast<size_t>(choice.expert)];
      }
    }
    const auto add = [&](double share, size_t first) {
      const std::vector<double> out = FeedForwardOf(row(t), kWidth, v, first, false);
      for (size_t k = 0; k < out.size(); ++k) y[t * kWidth + k] += share * out[k];
    };
    for (const RoutedToken& choice : choices) {
      const auto e = static_cast<size_t>(choice.expert);
      if (choice.token == static_cast<int32_t>(t)) add(p[e] / sum, 2 + 3 * e);
    }
    const size_t first = 2 + 3 * num_experts;
    if (shared) add(gated ? SigmoidOf(ProductOf(row(t), v[first + 3], kWidth)[0]) : 1, first);
  }
  return y;
}

TEST(MoeLayer, GradientsOfInputAndAllWeights) {
  const TestExpert shared_expert(kWidth, 13, 77);
  const OwnedWeight shared_gate = OwnedWeight::Random({1, kWidth}, 78);
  for (const auto& [renormalize, shared, gated] : std::vector<std::array<bool, 3>>{
           {true, false, false}, {false, false, false}, {true, true, false}, {false, true, true}}) {
    TestLayer layer(4, 2);
    layer.moe.router =
        *MakeRouter("topk", {.num_experts = 4, .top_k = 2, .renormalize = renormalize});
    std::vector<const OwnedWeight*> weights = {&layer.gate};
    for (const TestExpert& expert : layer.tests) {
      for (const OwnedWeight* weight : expert.weights()) weights.push_back(weight);
    }
    if (shared) {
      layer.moe.shared = SharedExpert{shared_expert.ffn(), gated ? shared_gate.ref() : WeightRef()};
      for (const OwnedWeight* weight : shared_expert.weights()) weights.push_back(weight);
      if (gated) weights.push_back(&shared_gate);
    }
    const GradientInput x = RandomInput(9, kWidth, 10);
    RecordingObserver observer;
    Compute compute(1, &observer);
    RunMoeLayer(compute.exec, compute.NewMatrix(9, kWidth, x.values), {}, layer.moe, 0);
    const std::vector<RoutedToken> choices = observer.outputs[0].routed;
    ExpectGradients(
        {.inputs = {x},
         .weights = weights,
         .run =
             [&](Exec& exec, std::span<const Matrix> in) {
               return std::vector{RunMoeLayer(exec, in[0], {}, layer.moe, 0)};
             },
         .formula =
             [&, renormalize = renormalize, shared = shared, gated = gated](const Reals& v) {
               return LayerOf(v, choices, 4, renormalize, shared, gated);
             },
         .terms = 100});
  }
}

TEST(MoeLayer, RefusesChoicesThatDoNotExist) {
  for (const RoutedToken bad : {RoutedToken{0, 4, 1}, RoutedToken{9, 0, 1}}) {
    TestLayer layer(4, 2);
    layer.moe.router = std::make_shared<FixedRouter>(std::vector{bad});
    Compute compute;
    const Matrix y =
        RunMoeLayer(compute.exec, compute.NewRandomMatrix(3, kWidth, 7), {}, layer.moe, 0);
    EXPECT_EQ(y.data, nullptr);
    EXPECT_EQ(compute.exec.status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(MoeLayer, DoesNothingAfterAFailure) {
  RecordingObserver observer;
  Compute compute(1, &observer);
  const TestLayer layer(4, 2);
  const Matrix x = compute.NewRandomMatrix(3, kWidth, 8);
  compute.exec.Fail(Cancelled("stop"));
  EXPECT_EQ(RunMoeLayer(compute.exec, x, {}, layer.moe, 0).data, nullptr);
  EXPECT_TRUE(observer.layers.empty());
}

}  // namespace
}  // namespace moiety
