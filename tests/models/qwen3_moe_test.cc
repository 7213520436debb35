#include <gmock/gmock.h>

#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Qwen3Moe, HasNormsOfHeadsAndNoSharedExpert) {
  const TinyModel model(TinyConfig("qwen3_moe"));
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  const auto& tensors = engine->store().table().tensors;
  EXPECT_EQ(tensors.at("model.layers.1.self_attn.q_norm.weight").shape, (Shape{8}));
  EXPECT_EQ(tensors.at("model.layers.1.self_attn.k_norm.weight").shape, (Shape{8}));
  EXPECT_EQ(tensors.at("model.layers.1.mlp.experts.2.down_proj.weight").shape, (Shape{16, 6}));
  EXPECT_EQ(tensors.size(), 3U + 2 * (2 + 4 + 2 + 1 + 3 * 3));
}

TEST(Qwen3Moe, RenormalisesIfTheConfigSaysSo) {
  TinyModel model(TinyConfig("qwen3_moe"));
  const auto plain = OpenOrFail(model);
  model.config()["norm_topk_prob"] = true;
  const auto renormalised = OpenOrFail(model);
  ASSERT_TRUE(plain != nullptr && renormalised != nullptr);
  EXPECT_NE(AllLogits(*plain, SomeIds(6)), AllLogits(*renormalised, SomeIds(6)));
}

TEST(Qwen3Moe, AllLayersSlideOrNone) {
  json config = TinyConfig("qwen3_moe");
  config["sliding_window"] = 4;
  for (const bool use : {false, true}) {
    config["use_sliding_window"] = use;
    const auto engine = OpenOrFail(TinyModel(config));
    ASSERT_NE(engine, nullptr);
    EXPECT_EQ(LastPositionThatSeesTheFirst(*engine, SomeIds(20)), use ? 2 * 3 : 19);
  }
}

TEST(Qwen3Moe, ConfigErrors) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"num_experts", nullptr}}, "\"num_experts\" is missing"},
      {{{"num_experts_per_tok", 4}},
       "\"num_experts_per_tok\" must be an integer from 1 to 3, found 4"},
      {{{"moe_intermediate_size", 0}}, "\"moe_intermediate_size\" must be"},
      {{{"attention_bias", true}}, "q_proj.bias is missing"},
      {{{"num_experts", 2}}, "mlp.gate.weight: the config needs shape [2, 16], found [3, 16]"},
  };
  for (const auto& [changes, message] : cases) {
    TinyModel model(TinyConfig("qwen3_moe"));
    model.config().update(changes);
    EXPECT_THAT(OpenStatus(model).message(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace moiety
