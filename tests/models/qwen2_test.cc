#include <gmock/gmock.h>

#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json Qwen2Config(const json& changes = json::object()) {
  json config = TinyLlamaConfig();
  config["model_type"] = "qwen2";
  config.update(changes);
  return config;
}

TEST(Qwen2, HasBiasesOnQueriesKeysAndValues) {
  TinyModel model(Qwen2Config());
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(engine->store().Unused(), testing::ElementsAre());
  EXPECT_FALSE(engine->store().Has("model.layers.0.self_attn.o_proj.bias"));
  for (const std::string name : {"q", "k", "v"}) {
    TinyModel broken = model;
    const std::string bias = "model.layers.0.self_attn." + name + "_proj.bias";
    broken.Erase(bias);
    EXPECT_THAT(OpenStatus(broken).message(), HasSubstr("tensor " + bias + " is missing"));
  }
}

TEST(Qwen2, SlidesOnlyWhenToldTo) {
  const std::vector<std::pair<json, int64_t>> cases = {
      {{{"sliding_window", 4}, {"use_sliding_window", false}, {"max_window_layers", 0}}, 19},
      {{{"sliding_window", 4}, {"max_window_layers", 0}}, 19},
      {{{"sliding_window", 4}, {"use_sliding_window", true}, {"max_window_layers", 0}}, 2 * 3},
      {{{"sliding_window", 4}, {"use_sliding_window", true}, {"max_window_layers", 1}},
       19},                                                         // layer 0 sees all
      {{{"sliding_window", 4}, {"use_sliding_window", true}}, 19},  // from layer 28 on
      {{{"sliding_window", 4},
        {"use_sliding_window", true},
        {"layer_types", {"sliding_attention", "sliding_attention"}}},
       2 * 3},
  };
  for (const auto& [changes, last] : cases) {
    const auto engine = OpenOrFail(TinyModel(Qwen2Config(changes)));
    ASSERT_NE(engine, nullptr);
    EXPECT_EQ(LastPositionThatSeesTheFirst(*engine, SomeIds(20)), last) << changes;
  }
}

TEST(Qwen2, ConfigErrors) {
  TinyModel model(Qwen2Config());
  model.config()["use_sliding_window"] = true;
  model.config()["max_window_layers"] = -1;
  EXPECT_THAT(OpenStatus(model).message(), HasSubstr("\"max_window_layers\" must be"));
}

}  // namespace
}  // namespace moiety
