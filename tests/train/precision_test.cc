#include "train/precision.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/kernels.h"
#include "train/gradient_pass.h"
#include "train/trained_model.h"

namespace moiety {
namespace {

// Odd sizes: pairs and groups of rows have rests.
const nlohmann::json kConfig = {{"model_type", "mixtral"},
                                {"vocab_size", 97},
                                {"hidden_size", 42},
                                {"head_dim", 14},
                                {"intermediate_size", 35},
                                {"num_hidden_layers", 2},
                                {"num_attention_heads", 3},
                                {"num_key_value_heads", 1},
                                {"num_local_experts", 4},
                                {"num_experts_per_tok", 2},
                                {"max_position_embeddings", 64},
                                {"rms_norm_eps", 1e-5},
                                {"hidden_act", "silu"},
                                {"rope_theta", 1e4}};

// The gradients of one pass, one tensor after the other.
std::vector<std::vector<float>> GradientsOf(Context& context, std::span<const WeightKind> in_bf16) {
  auto trained = NewTrainedModel(context, kConfig, "test", 1, 0.1F);
  EXPECT_TRUE(trained.ok()) << trained.status().message();
  auto copies = Bf16Copies::Of(*trained->store, in_bf16, context);
  EXPECT_TRUE(copies.ok()) << copies.status().message();
  GradientPass pass(context, *trained->model, &trained->parameters, {});
  std::vector<int32_t> ids;
  std::vector<int32_t> targets;
  for (int32_t i = 0; i < 61; ++i) {
    ids.push_back(i * 7 % 97);
    targets.push_back((i + 1) * 7 % 97);
  }
  const TrainingSequence sequence = {ids, targets};
  EXPECT_TRUE(pass.Run({&sequence, 1}, 61, 1).ok());
  std::vector<std::vector<float>> gradients;
  for (const Parameter& p : trained->parameters.all()) {
    gradients.emplace_back(p.gradient.begin(), p.gradient.end());
  }
  return gradients;
}

TEST(Precision, GradientsInBf16AreCloseToThoseInF32) {
  const KernelTable& kernels = *AvailableKernels().back();
  if (kernels.matmul_bf16 == nullptr) GTEST_SKIP() << "no products of bf16 on this processor";
  Context exact(2, kernels, MemoryBudget::kUnlimited);
  Context rounded(2, kernels, MemoryBudget::kUnlimited, ComputeType::kBF16);
  const WeightKind kinds[] = {WeightKind::kExpert, WeightKind::kAttention, WeightKind::kHead};
  const auto expected = GradientsOf(exact, {});
  const auto found = GradientsOf(rounded, kinds);
  ASSERT_EQ(found.size(), expected.size());
  bool same = true;
  for (size_t i = 0; i < found.size(); ++i) {
    double error = 0;
    double norm = 0;
    for (size_t k = 0; k < found[i].size(); ++k) {
      const auto difference = static_cast<double>(found[i][k] - expected[i][k]);
      error += difference * difference;
      norm += static_cast<double>(expected[i][k]) * static_cast<double>(expected[i][k]);
    }
    same = same && error == 0;
    // Rounding to 8 bits moves each factor by 2^-9 at most; through a few products of random signs
    // some of these add up. A token whose choice of experts turns would be far beyond this.
    EXPECT_LE(std::sqrt(error), 0.03 * std::sqrt(norm)) << "tensor " << i;
  }
  EXPECT_FALSE(same) << "nothing was rounded";
}

TEST(Precision, RefusesWhatTheProcessorCannotDo) {
  Context context(1, *AvailableKernels().front(), MemoryBudget::kUnlimited, ComputeType::kBF16);
  auto trained = NewTrainedModel(context, kConfig, "test", 1, 0.1F);
  ASSERT_TRUE(trained.ok());
  const WeightKind kinds[] = {WeightKind::kExpert};
  EXPECT_EQ(Bf16Copies::Of(*trained->store, kinds, context).status().code(),
            StatusCode::kUnsupported);
}

}  // namespace
}  // namespace moiety
