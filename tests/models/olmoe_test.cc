#include <gmock/gmock.h>

#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Olmoe, NormsGoOverTheWholeOfQueriesAndKeys) {
  const TinyModel model(TinyConfig("olmoe"));
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(engine->store().Unused(), ElementsAre());
  const auto& tensors = engine->store().table().tensors;
  EXPECT_EQ(tensors.at("model.layers.1.self_attn.q_norm.weight").shape, (Shape{16}));
  EXPECT_EQ(tensors.at("model.layers.1.self_attn.k_norm.weight").shape, (Shape{8}));
  // Experts are as wide as intermediate_size says.
  EXPECT_EQ(tensors.at("model.layers.1.mlp.experts.2.down_proj.weight").shape, (Shape{16, 8}));
  // One head's queries count for the norm of the other.
  TinyModel changed = model;
  auto& q = changed.values("model.layers.1.self_attn.q_proj.weight");
  for (size_t i = 0; i < 8 * 16; ++i) q[i] *= 4;
  changed.config()["rms_norm_eps"] = 0;
  TinyModel all = changed;
  for (size_t i = 8 * 16; i < 16 * 16; ++i)
    all.values("model.layers.1.self_attn.q_proj.weight")[i] *= 4;
  TinyModel none = model;
  none.config()["rms_norm_eps"] = 0;
  const auto one_head = OpenOrFail(changed);
  const auto both_heads = OpenOrFail(all);
  const auto no_head = OpenOrFail(none);
  ASSERT_TRUE(one_head != nullptr && both_heads != nullptr && no_head != nullptr);
  const std::vector<float> expected = AllLogits(*no_head, SomeIds(6));
  EXPECT_EQ(AllLogits(*both_heads, SomeIds(6)), expected);  // a power of two changes no rounding
  EXPECT_NE(AllLogits(*one_head, SomeIds(6)), expected);
}

TEST(Olmoe, ClipsQueriesKeysAndValues) {
  TinyModel model(TinyConfig("olmoe"));
  const auto plain = OpenOrFail(model);
  model.config()["clip_qkv"] = 1000;
  const auto wide = OpenOrFail(model);
  model.config()["clip_qkv"] = 0.1;
  const auto narrow = OpenOrFail(model);
  ASSERT_TRUE(plain != nullptr && wide != nullptr && narrow != nullptr);
  EXPECT_EQ(AllLogits(*wide, SomeIds(6)), AllLogits(*plain, SomeIds(6)));
  EXPECT_NE(AllLogits(*narrow, SomeIds(6)), AllLogits(*plain, SomeIds(6)));
}

TEST(Olmoe, ConfigErrors) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"clip_qkv", 0}}, "\"clip_qkv\" must be above 0, found 0"},
      {{{"clip_qkv", "8"}}, "\"clip_qkv\" must be a finite number, found \"8\""},
      {{{"num_experts", nullptr}}, "\"num_experts\" is missing"},
  };
  for (const auto& [changes, message] : cases) {
    TinyModel model(TinyConfig("olmoe"));
    model.config().update(changes);
    EXPECT_THAT(OpenStatus(model).message(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace moiety
