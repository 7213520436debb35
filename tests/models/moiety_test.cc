#include <gmock/gmock.h>

#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Without a router of its own it is qwen3_moe, or without norms of heads mixtral, with a shared
// expert.
TEST(Moiety, HasThePartsThatTheConfigNames) {
  const auto plain = OpenOrFail(TinyModel(TinyConfig("moiety")));
  ASSERT_NE(plain, nullptr);
  const auto& tensors = plain->store().table().tensors;
  EXPECT_FALSE(tensors.contains("model.layers.0.self_attn.q_norm.weight"));
  EXPECT_TRUE(tensors.contains("model.layers.0.mlp.shared_expert.gate_proj.weight"));
  json config = TinyConfig("moiety");
  config["shared_expert_intermediate_size"] = 0;
  config["qk_norm"] = true;
  const TinyModel ours(config);
  const auto opened = OpenOrFail(ours);
  config["model_type"] = "qwen3_moe";
  const auto qwen = OpenOrFail(TinyModel(config));
  ASSERT_TRUE(opened != nullptr && qwen != nullptr);
  EXPECT_EQ(AllLogits(*opened, SomeIds(9)), AllLogits(*qwen, SomeIds(9)));
}

TEST(Moiety, RoutersHaveTheirWeightsBesideTheGate) {
  json config = TinyConfig("moiety");
  config["moiety_router"] = {{"strategy", "sigmoid_bias"}};
  TinyModel model(config);
  const auto plain = OpenOrFail(model);
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(plain->model().info().router, "sigmoid_bias");
  const std::string name = "model.layers.1.mlp.gate.e_score_correction_bias";
  EXPECT_EQ(plain->store().table().tensors.at(name).shape, (Shape{3}));
  model.Set(name, {3}, {-1e3F, 0, 0});  // expert 0 is never chosen
  const auto biased = OpenOrFail(model);
  ASSERT_NE(biased, nullptr);
  EXPECT_NE(AllLogits(*plain, SomeIds(9)), AllLogits(*biased, SomeIds(9)));
  model.Erase(name);
  EXPECT_THAT(OpenStatus(model).message(), HasSubstr(name + " is missing"));
}

TEST(Moiety, ConfigErrors) {
  const auto error = [](const json& router) {
    json config = TinyConfig("moiety");
    config["moiety_router"] = router;
    TinyModel model(TinyConfig("moiety"));
    model.config() = config;
    return OpenStatus(model).message();
  };
  EXPECT_THAT(error({{"strategy", "tokp"}}), HasSubstr("did you mean \"topk\"?"));
  EXPECT_THAT(error({{"strategy", "switch"}}), HasSubstr("top_k must be 1, found 2"));
  EXPECT_THAT(error({{"strategy", "group_limited"}, {"groups", 2}}), HasSubstr("2 groups"));
}

}  // namespace
}  // namespace moiety
