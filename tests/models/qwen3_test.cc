#include <gmock/gmock.h>

#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json Qwen3Config() {
  json config = TinyLlamaConfig();
  config["model_type"] = "qwen3";
  return config;
}

TEST(Qwen3, NormsOfQueriesAndKeysCount) {
  const TinyModel model(Qwen3Config());
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(engine->store().Unused(), testing::ElementsAre());
  const std::vector<float> expected = AllLogits(*engine, SomeIds(6));
  for (const std::string name :
       {"model.layers.1.self_attn.q_norm.weight", "model.layers.1.self_attn.k_norm.weight"}) {
    TinyModel changed = model;
    changed.values(name)[3] += 1;
    const auto other = OpenOrFail(changed);
    ASSERT_NE(other, nullptr);
    EXPECT_NE(AllLogits(*other, SomeIds(6)), expected) << name;
    changed.Erase(name);
    EXPECT_THAT(OpenStatus(changed).message(), HasSubstr("tensor " + name + " is missing"));
  }
}

// After the norm, the length of q and k is gone.
TEST(Qwen3, ScaleOfQueriesAndKeysDoesNotCount) {
  TinyModel model(Qwen3Config());
  model.config()["rms_norm_eps"] = 0;
  const auto engine = OpenOrFail(model);
  for (const std::string name : {"q", "k"}) {
    for (float& v : model.values("model.layers.1.self_attn." + name + "_proj.weight")) v *= 4;
  }
  const auto scaled = OpenOrFail(model);
  ASSERT_TRUE(engine != nullptr && scaled != nullptr);
  // A power of two changes no rounding.
  EXPECT_EQ(AllLogits(*scaled, SomeIds(6)), AllLogits(*engine, SomeIds(6)));
}

TEST(Qwen3, BiasesAreOptional) {
  json config = Qwen3Config();
  config["attention_bias"] = true;
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(engine->store().Unused(), testing::ElementsAre());
  TinyModel without(Qwen3Config());
  without.config()["attention_bias"] = true;
  EXPECT_THAT(OpenStatus(without).message(), HasSubstr("q_proj.bias is missing"));
}

TEST(Qwen3, SlidesFromALayerOn) {
  json config = Qwen3Config();
  config["sliding_window"] = 4;
  config["max_window_layers"] = 0;
  for (const bool use : {false, true}) {
    config["use_sliding_window"] = use;
    const auto engine = OpenOrFail(TinyModel(config));
    ASSERT_NE(engine, nullptr);
    EXPECT_EQ(LastPositionThatSeesTheFirst(*engine, SomeIds(20)), use ? 2 * 3 : 19);
  }
}

}  // namespace
}  // namespace moiety
