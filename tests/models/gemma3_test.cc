#include <gmock/gmock.h>

#include "support/bits.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Gemma3, EveryNormCounts) {
  const TinyModel model(TinyConfig("gemma3_text"));
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(engine->store().Unused(), ElementsAre());
  const std::vector<float> expected = AllLogits(*engine, SomeIds(6));
  for (const std::string name :
       {"model.layers.1.input_layernorm", "model.layers.1.post_attention_layernorm",
        "model.layers.1.pre_feedforward_layernorm", "model.layers.1.post_feedforward_layernorm",
        "model.layers.1.self_attn.q_norm", "model.layers.1.self_attn.k_norm", "model.norm"}) {
    TinyModel changed = model;
    changed.values(name + ".weight")[3] += 1;
    const auto other = OpenOrFail(changed);
    ASSERT_NE(other, nullptr);
    EXPECT_NE(AllLogits(*other, SomeIds(6)), expected) << name;
    changed.Erase(name + ".weight");
    EXPECT_THAT(OpenStatus(changed).message(), HasSubstr(name + ".weight is missing"));
  }
}

// w for a gain of 1 + w, or the gain itself where the config says so.
TEST(Gemma3, GainsHaveOneAdded) {
  TinyModel model(TinyConfig("gemma3_text"));
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  for (const Weight& weight : engine->store().weights()) {
    if (weight.shape.size() != 1) continue;
    for (float& v : model.values(weight.name)) v = v + 1;
  }
  model.config()["norm_gains_are_whole"] = true;
  const auto whole = OpenOrFail(model);
  ASSERT_NE(whole, nullptr);
  EXPECT_TRUE(SameBits(AllLogits(*whole, SomeIds(6)), AllLogits(*engine, SomeIds(6))));
}

TEST(Gemma3, FiveLayersSlideToOneThatDoesNot) {
  json config = TinyConfig("gemma3_text");
  config["num_hidden_layers"] = 7;
  const auto windows = [&] {
    const auto engine = OpenOrFail(TinyModel(config));
    std::vector<int64_t> found;
    for (const StateSpec& spec : engine->model().state()) found.push_back(spec.window);
    return found;
  };
  EXPECT_THAT(windows(), ElementsAre(4, 0, 4, 0, 4, 0, 4));
  config.erase("sliding_window_pattern");
  EXPECT_THAT(windows(), ElementsAre(4, 4, 4, 4, 4, 0, 4));
  config.erase("sliding_window");
  EXPECT_EQ(windows()[0], 4096);
}

// The language model of one that also sees images: the same under other names.
TEST(Gemma3, ReadsTheTextPartOfAMultimodalModel) {
  TinyModel text(TinyConfig("gemma3_text"));
  TinyModel both(TinyConfig("gemma3"));
  const auto engine = OpenOrFail(text);
  ASSERT_NE(engine, nullptr);
  for (const Weight& weight : engine->store().weights()) {
    both.values("language_model." + weight.name) = text.values(weight.name);
  }
  both.Set("vision_tower.vision_model.embeddings.patch_embedding.bias", {4});
  const auto other = OpenOrFail(both);
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->model().info().architecture, "gemma3");
  EXPECT_TRUE(SameBits(AllLogits(*other, SomeIds(6)), AllLogits(*engine, SomeIds(6))));
  EXPECT_THAT(other->store().Unused(),
              ElementsAre("vision_tower.vision_model.embeddings.patch_embedding.bias"));
}

TEST(Gemma3, ConfigErrors) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"hidden_activation", "relu"}},
       "\"hidden_activation\" is \"relu\": supported are silu, swish, gelu_pytorch_tanh"},
      {{{"query_pre_attn_scalar", 0}},
       "\"query_pre_attn_scalar\" must be above 0 and at most 1000000000, found 0"},
      {{{"query_pre_attn_scalar", nullptr}}, "\"query_pre_attn_scalar\" is missing"},
      {{{"final_logit_softcapping", -1}}, "\"final_logit_softcapping\" must be above 0"},
      {{{"attn_logit_softcapping", 50}}, "\"attn_logit_softcapping\" is set: only null"},
      {{{"use_bidirectional_attention", true}}, "\"use_bidirectional_attention\" is true"},
      {{{"sliding_window_pattern", 0}}, "\"sliding_window_pattern\" must be"},
      {{{"rope_local_base_freq", 0}}, "\"rope_local_base_freq\" must be from 1 to"},
      {{{"sliding_window", 0}}, "\"sliding_window\" must be"},
  };
  for (const auto& [changes, message] : cases) {
    TinyModel model(TinyConfig("gemma3_text"));
    model.config().update(changes);
    EXPECT_THAT(OpenStatus(model).message(), HasSubstr(message));
    TinyModel both(TinyConfig("gemma3"));
    both.config()["text_config"].update(changes);
    EXPECT_THAT(OpenStatus(both).message(), HasSubstr("\"text_config." + message.substr(1)));
  }
  TinyModel both(TinyConfig("gemma3"));
  both.config().erase("text_config");
  EXPECT_THAT(OpenStatus(both).message(), HasSubstr("\"text_config\" is missing"));
}

}  // namespace
}  // namespace moiety
