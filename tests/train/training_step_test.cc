#include "train/training_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "ops/losses.h"
#include "support/golden.h"
#include "support/paths.h"
#include "support/tensor_file.h"
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

INSTANTIATE_TEST_SUITE_P(Models, TenSteps, testing::Values("mixtral", "qwen3_moe"));

}  // namespace
}  // namespace moiety
