#include <gmock/gmock.h>

#include "support/loaded_model.h"

namespace moiety {
namespace {

using testing::HasSubstr;

// With the flag, the biases must be there and count.
void ExpectBiases(const char* flag, const std::vector<std::string>& projections) {
  nlohmann::json config = TinyLlamaConfig();
  config[flag] = true;
  const TinyModel model(config);
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->store().Unused().size(), 0U);
  const std::vector<int32_t> ids = SomeIds(6);
  const std::vector<float> expected = AllLogits(*engine, ids);
  for (const std::string& projection : projections) {
    const std::string name = "model.layers.1." + projection + ".bias";
    TinyModel changed = model;
    for (float& value : changed.values(name)) value += 0.5F;
    const auto other = OpenOrFail(changed);
    ASSERT_NE(other, nullptr);
    EXPECT_NE(AllLogits(*other, ids), expected) << name;
    changed.Erase(name);
    EXPECT_THAT(OpenStatus(changed).message(), HasSubstr("tensor " + name + " is missing"));
  }
}

// A bias of k alone turns every score of a query by the same amount only without rope.
TEST(Llama, AttentionBias) {
  ExpectBiases("attention_bias",
               {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"});
}

TEST(Llama, MlpBias) {
  ExpectBiases("mlp_bias", {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"});
}

TEST(Llama, HasNoBiasesByDefault) {
  const auto engine = OpenOrFail(TinyModel(TinyLlamaConfig()));
  ASSERT_NE(engine, nullptr);
  EXPECT_FALSE(engine->store().Has("model.layers.0.self_attn.q_proj.bias"));
}

TEST(Llama, SeesTheWholeContext) {
  nlohmann::json config = TinyLlamaConfig();
  config["sliding_window"] = 4;  // not a key of this architecture
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->model().info().sliding_window, 0);
  EXPECT_EQ(LastPositionThatSeesTheFirst(*engine, SomeIds(20)), 19);
}

}  // namespace
}  // namespace moiety
