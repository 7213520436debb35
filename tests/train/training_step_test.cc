#include "train/training_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "ops/losses.h"
#include "ops/observer.h"
#include "support/golden.h"
#include "support/paths.h"
#include "support/tensor_file.h"
#include "support/tiny_model.h"
#include "train/adamw.h"

namespace moiety {
namespace {

// Ten steps of PyTorch's AdamW.
class TenSteps : public testing::TestWithParam<std::string> {};

TEST_P(TenSteps, LossesAndWeightsAgree) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const std::filesystem::path folder = SharedPath("conformance/training");
  const nlohmann::json golden = ReadJson(folder / (GetParam() + ".json"));
  Context context(2, *AvailableKernels().back(), MemoryBudget::kUnlimited);
  auto trained = OpenTrainedModel(context, folder / golden["start"].get<std::string>());
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  AdamWOptions adamw;
  adamw.beta1 = golden["betas"][0];
  adamw.beta2 = golden["betas"][1];
  adamw.eps = golden["eps"];
  adamw.weight_decay = golden["weight_decay"];
  auto optimizer = MakeAdamW(OptimizedTensors(trained->parameters), adamw, context.budget);
  ASSERT_TRUE(optimizer.ok());
  TrainingStepOptions options;
  options.clip_norm = golden["clip_global_norm"];
  options.router_losses.balance = golden["router_aux_loss_coef"];
  options.router_losses.pooled_balance = true;
  Bf16Copies copies;
  TrainingStep step(context, *trained, **optimizer, copies, options);

  const nlohmann::json& steps = golden["steps"];
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::vector<std::vector<int32_t>> ids = golden["batches"][i];
    std::vector<std::vector<int32_t>> targets;
    std::vector<TrainingSequence> batch;
    targets.reserve(ids.size());
    for (const auto& sequence : ids) {
      targets.emplace_back(sequence.begin() + 1, sequence.end()).push_back(kIgnoredTarget);
      batch.push_back({sequence, targets.back()});
    }
    const auto found = step.Run(batch, static_cast<int64_t>(i) + 1, golden["lr"].get<double>());
    ASSERT_TRUE(found.ok()) << found.status().message();
    EXPECT_FALSE(found->skipped.has_value());
    const double loss = found->loss + options.router_losses.balance * found->router_losses.balance;
    EXPECT_NEAR(loss, steps[i]["loss"].get<double>(), golden["tolerance"]["loss_abs"].get<double>())
        << "step " << i;
    EXPECT_NEAR(found->gradient_norm, steps[i]["gradient_norm_before_clipping"].get<double>(),
                1e-2);
  }
  const TensorFile end(folder / golden["end"].get<std::string>());
  size_t beyond = 0;
  size_t all = 0;
  for (const Parameter& parameter : trained->parameters.all()) {
    const std::vector<float> expected = end.Floats(parameter.name);
    ASSERT_EQ(expected.size(), parameter.values.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const double tolerance = golden["tolerance"]["weights_abs"];
      beyond += std::abs(static_cast<double>(parameter.values[i] - expected[i])) > tolerance;
    }
    all += expected.size();
  }
  EXPECT_LE(static_cast<double>(beyond),
            golden["tolerance"]["weights_share_beyond"].get<double>() * static_cast<double>(all));
}

// By layer, one call after the other: inputs, logits with noise, choices.
class SeenDraws : public Observer {
 public:
  void OnRoute(int64_t layer, const RouterOutput& routed) override {
    for (const Matrix& m : {routed.x, routed.noisy_logits}) {
      auto& values = m.data == routed.x.data ? x[layer] : noisy_logits[layer];
      values.insert(values.end(), m.data, m.data + m.size());
    }
    for (const RoutedToken& choice : routed.routed) experts[layer].push_back(choice.expert);
  }
  bool operator==(const SeenDraws& other) const {
    return x == other.x && noisy_logits == other.noisy_logits && experts == other.experts;
  }
  std::map<int64_t, std::vector<float>> x, noisy_logits;
  std::map<int64_t, std::vector<int32_t>> experts;
};

// Noise is the same however a batch is cut, and another in each step and with each seed.
TEST(TrainingStep, DrawsDependOnNothingElse) {
  const auto draws = [](int64_t micro_batch, int64_t step, uint64_t seed, bool noisy = true) {
    nlohmann::json config = TinyMixtralConfig();
    config["moiety_router"] = {{"strategy", "noisy_topk"}};
    Context context(2, *AvailableKernels().back(), MemoryBudget::kUnlimited);
    auto trained = NewTrainedModel(context, config, "config.json", 1, 0.1F);
    EXPECT_TRUE(trained.ok()) << trained.status().message();
    auto optimizer = MakeAdamW(OptimizedTensors(trained->parameters), {}, context.budget);
    TrainingStepOptions options;
    options.micro_batch_sequences = micro_batch;
    options.noise = {.seed = seed};
    if (noisy) {
      options.noise.router_jitter = 0.1F;
      options.noise.expert_dropout = 0.3F;
    }
    Bf16Copies copies;
    TrainingStep of(context, *trained, **optimizer, copies, options);
    const std::vector<std::vector<int32_t>> ids = {{7, 100, 30, 42}, {7, 100, 30}, {9, 9}};
    std::vector<TrainingSequence> batch;
    for (const auto& sequence : ids) batch.push_back({sequence, sequence});
    SeenDraws seen;
    EXPECT_TRUE(of.Run(batch, step, 0.1, &seen).ok());
    return seen;
  };
  const SeenDraws whole = draws(0, 1, 1);
  EXPECT_EQ(whole.x.size(), 2U);
  EXPECT_EQ(whole.noisy_logits.at(0).size(), 27U);
  EXPECT_TRUE(draws(1, 1, 1) == whole);
  EXPECT_TRUE(draws(2, 1, 1) == whole);
  for (const SeenDraws& other : {draws(0, 2, 1), draws(0, 1, 2)}) {
    EXPECT_NE(other.x.at(0), whole.x.at(0)) << "jitter";
    EXPECT_NE(other.noisy_logits.at(0), whole.noisy_logits.at(0));
  }
  EXPECT_NE(draws(0, 1, 1, false).x.at(0), whole.x.at(0));
  EXPECT_EQ(draws(0, 1, 1, false).x.at(0), draws(0, 2, 1, false).x.at(0));
  // The same tokens, but another sequence.
  EXPECT_NE(std::vector(whole.x.at(0).begin(), whole.x.at(0).begin() + 48),
            std::vector(whole.x.at(0).begin() + 64, whole.x.at(0).begin() + 112));
}

INSTANTIATE_TEST_SUITE_P(Models, TenSteps, testing::Values("mixtral", "qwen3_moe"));

}  // namespace
}  // namespace moiety
