#include "train/architecture.h"

#include <gmock/gmock.h>

#include "kernels/kernels.h"
#include "train/trained_model.h"

namespace moiety {
namespace {

using testing::HasSubstr;

// Small enough to be made in no time.
TrainConfig Small() {
  TrainConfig config;
  config.model.d_model = 32;
  config.model.num_layers = 4;
  config.model.num_heads = 4;
  config.model.num_kv_heads = 2;
  config.model.d_feed_forward = 48;
  config.model.d_expert = 16;
  config.model.num_experts = 4;
  config.model.context_length = 64;
  return config;
}

// The model_type, after the model was built and its sizes compared with what was asked for.
std::string TypeOf(const TrainConfig& config) {
  const auto json = HfConfigOf(config, 100, {1, 2, std::nullopt});
  if (!json.ok()) return json.status().message();
  Context context(1, *AvailableKernels().back(), MemoryBudget::kUnlimited);
  const auto trained = NewTrainedModel(context, *json, "config", 1, 0.02F);
  EXPECT_TRUE(trained.ok()) << trained.status().message();
  if (!trained.ok()) return "";
  const ModelInfo& info = trained->model->info();
  EXPECT_EQ(info.vocab_size, 100);
  EXPECT_EQ(info.d_model, config.model.d_model);
  int64_t moe_layers = 0;
  for (int64_t l = 0; l < config.model.num_layers; ++l) moe_layers += config.model.IsMoeLayer(l);
  EXPECT_EQ(info.num_moe_layers, moe_layers);
  if (moe_layers > 0) {
    EXPECT_EQ(info.num_experts, config.model.num_experts);
    EXPECT_EQ(info.d_feed_forward, config.model.d_expert);
  }
  return (*json)["model_type"];
}

TEST(Architecture, NamesThePublishedOne) {
  TrainConfig config = Small();
  EXPECT_EQ(TypeOf(config), "mixtral");
  config.model.qk_norm = true;
  EXPECT_EQ(TypeOf(config), "qwen3_moe");
  config.model.moe_every = 2;
  EXPECT_EQ(TypeOf(config), "qwen3_moe");
  config.model.first_dense_layers = 2;
  config.router.renormalize = false;
  EXPECT_EQ(TypeOf(config), "qwen3_moe");
  config = Small();
  config.model.d_shared_expert = 24;
  EXPECT_EQ(TypeOf(config), "qwen2_moe");
}

TEST(Architecture, TheDenseTwinHasTheActiveWidth) {
  TrainConfig config = Small();
  config.model.dense = true;
  config.model.d_shared_expert = 8;
  EXPECT_EQ(TypeOf(config), "llama");
  EXPECT_EQ((*HfConfigOf(config, 100, {}))["intermediate_size"], 2 * 16 + 8);
  config.model.qk_norm = true;
  EXPECT_EQ(TypeOf(config), "qwen3");
  config.model.moe_every = 2;
  EXPECT_THAT(TypeOf(config), HasSubstr("set model.d_feed_forward=40"));
}

TEST(Architecture, IsOurOwnWhereNobodyHasIt) {
  TrainConfig config = Small();
  config.router.renormalize = false;
  EXPECT_EQ(TypeOf(config), "moiety");
  config = Small();
  config.model.qk_norm = true;
  config.model.d_shared_expert = 24;
  EXPECT_EQ(TypeOf(config), "moiety");
  config = Small();
  config.router.name = "sigmoid_bias";
  config.router.groups = 2;
  EXPECT_EQ(TypeOf(config), "moiety");
  EXPECT_EQ((*HfConfigOf(config, 100, {}))["moiety_router"]["groups"], 2);
  config.router.name = "nonsense";
  EXPECT_THAT(TypeOf(config), HasSubstr("unknown router \"nonsense\""));
}

// What is top-k at inference goes where top-k goes, and is trained with its own.
TEST(Architecture, RoutersThatAreTopKAtInferenceCountAsSuch) {
  TrainConfig config = Small();
  config.router.name = "gshard";
  config.router.renormalize = false;  // of no matter to it
  EXPECT_EQ(TypeOf(config), "mixtral");
  EXPECT_EQ((*HfConfigOf(config, 100, {}))["moiety_router"]["strategy"], "gshard");
  config.router.name = "noisy_topk";
  EXPECT_EQ(TypeOf(config), "mixtral");
  config.router.name = "switch";
  config.model.top_k = 1;
  EXPECT_EQ(TypeOf(config), "moiety") << "mixtral's weights sum to one";
  config.model.qk_norm = true;
  EXPECT_EQ(TypeOf(config), "qwen3_moe");
  EXPECT_EQ((*HfConfigOf(config, 100, {}))["norm_topk_prob"], false);
}

}  // namespace
}  // namespace moiety
