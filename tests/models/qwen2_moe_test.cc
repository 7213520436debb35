#include <gmock/gmock.h>

#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Qwen2Moe, TheSharedExpertCounts) {
  const TinyModel model(TinyConfig("qwen2_moe"));
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(engine->store().Unused(), ElementsAre());
  const std::vector<float> expected = AllLogits(*engine, SomeIds(6));
  for (const std::string name :
       {"shared_expert_gate", "shared_expert.gate_proj", "shared_expert.up_proj",
        "shared_expert.down_proj", "gate", "experts.1.up_proj"}) {
    const std::string full = "model.layers.1.mlp." + name + ".weight";
    TinyModel changed = model;
    for (float& v : changed.values(full)) v = -v;
    const auto other = OpenOrFail(changed);
    ASSERT_NE(other, nullptr);
    EXPECT_NE(AllLogits(*other, SomeIds(6)), expected) << full;
    changed.Erase(full);
    EXPECT_THAT(OpenStatus(changed).message(), HasSubstr("tensor " + full + " is missing"));
  }
}

TEST(Qwen2Moe, BiasesOfQueriesKeysAndValuesAreTheDefault) {
  TinyModel model(TinyConfig("qwen2_moe"));
  model.Erase("model.layers.0.self_attn.v_proj.bias");
  EXPECT_THAT(OpenStatus(model).message(), HasSubstr("v_proj.bias is missing"));
  json config = TinyConfig("qwen2_moe");
  config["qkv_bias"] = false;
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  for (const Weight& weight : engine->store().weights()) {
    EXPECT_FALSE(weight.name.ends_with(".bias")) << weight.name;
  }
}

TEST(Qwen2Moe, DenseLayersHaveTheirOwnWidth) {
  json config = TinyConfig("qwen2_moe");
  config["decoder_sparse_step"] = 2;
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  const auto& tensors = engine->store().table().tensors;
  EXPECT_EQ(tensors.at("model.layers.0.mlp.gate_proj.weight").shape, (Shape{8, 16}));
  EXPECT_EQ(tensors.at("model.layers.1.mlp.experts.2.gate_proj.weight").shape, (Shape{6, 16}));
  EXPECT_EQ(tensors.at("model.layers.1.mlp.shared_expert.gate_proj.weight").shape, (Shape{10, 16}));
  EXPECT_EQ(tensors.at("model.layers.1.mlp.shared_expert_gate.weight").shape, (Shape{1, 16}));
}

// Layers 0 and 2, but only below max_window_layers.
TEST(Qwen2Moe, EverySecondLayerSlides) {
  json config = TinyConfig("qwen2_moe");
  config.update({{"num_hidden_layers", 4}, {"sliding_window", 4}, {"use_sliding_window", true}});
  const auto windows = [&](int64_t max_window_layers) {
    config["max_window_layers"] = max_window_layers;
    const auto engine = OpenOrFail(TinyModel(config));
    std::vector<int64_t> found;
    for (const StateSpec& spec : engine->model().state()) found.push_back(spec.window);
    return found;
  };
  EXPECT_THAT(windows(28), ElementsAre(4, 0, 4, 0));
  EXPECT_THAT(windows(2), ElementsAre(4, 0, 0, 0));
  config["use_sliding_window"] = false;
  EXPECT_THAT(windows(28), ElementsAre(0, 0, 0, 0));
}

TEST(Qwen2Moe, ConfigErrors) {
  for (const char* key : {"moe_intermediate_size", "shared_expert_intermediate_size"}) {
    TinyModel model(TinyConfig("qwen2_moe"));
    model.config().erase(key);
    EXPECT_THAT(OpenStatus(model).message(), HasSubstr(std::string(key) + "\" is missing"));
  }
}

}  // namespace
}  // namespace moiety
