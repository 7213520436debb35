// The decoder around its config: which tensors it asks for, and what it tells about itself. That it
// computes the right thing is the business of golden_test.cc.
#include "models/decoder.h"

#include <gmock/gmock.h>

#include "support/bits.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Decoder, TellsAboutAMixture) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const ModelInfo& info = engine->model().info();
  EXPECT_EQ(info.architecture, "mixtral");
  EXPECT_EQ(info.vocab_size, kTinyVocab);
  EXPECT_EQ(info.d_model, 16);
  EXPECT_EQ(info.num_layers, 2);
  EXPECT_EQ(info.num_heads, 2);
  EXPECT_EQ(info.num_kv_heads, 1);
  EXPECT_EQ(info.head_dim, 8);
  EXPECT_EQ(info.d_feed_forward, 8);
  EXPECT_EQ(info.num_experts, 3);
  EXPECT_EQ(info.top_k, 2);
  EXPECT_EQ(info.num_moe_layers, 2);
  EXPECT_EQ(info.context_length, 128);
  EXPECT_EQ(info.sliding_window, 0);
  EXPECT_EQ(info.router, "topk");
  // Per layer: q and o 16 × 16, k and v 8 × 16, router 3 × 16, two norms, three experts.
  constexpr uint64_t kExpert = 3 * 8 * 16;
  constexpr uint64_t kRest = 2 * (2 * 256 + 2 * 128 + 48 + 32) + 16 + 2 * kTinyVocab * 16;
  EXPECT_EQ(info.parameters, kRest + 2 * 3 * kExpert);
  EXPECT_EQ(info.active_parameters, kRest + 2 * 2 * kExpert);
  EXPECT_EQ(engine->model().state().size(), 2U);
  EXPECT_EQ(engine->model().state()[1].num_kv_heads, 1);
  EXPECT_EQ(engine->model().state()[1].head_dim, 8);
}

TEST(Decoder, TellsAboutADenseModel) {
  const auto engine = OpenOrFail(TinyModel(TinyLlamaConfig()));
  ASSERT_NE(engine, nullptr);
  const ModelInfo& info = engine->model().info();
  EXPECT_EQ(info.num_experts, 0);
  EXPECT_EQ(info.top_k, 0);
  EXPECT_EQ(info.num_moe_layers, 0);
  EXPECT_EQ(info.router, "");
  EXPECT_EQ(info.active_parameters, info.parameters);
}

// Only some layers have experts, and one of these is everyone's.
TEST(Decoder, TellsAboutAPartialMixture) {
  json config = TinyConfig("qwen2_moe");
  config["mlp_only_layers"] = {0};
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  const ModelInfo& info = engine->model().info();
  EXPECT_EQ(info.num_experts, 3);
  EXPECT_EQ(info.num_moe_layers, 1);
  EXPECT_EQ(info.d_feed_forward, 6);
  uint64_t parameters = 0;
  for (const Weight& weight : engine->store().weights()) {
    parameters += static_cast<uint64_t>(*NumElements(weight.shape));
  }
  EXPECT_EQ(info.parameters, parameters);
  EXPECT_EQ(info.active_parameters, parameters - 3 * 6 * 16);
  config["mlp_only_layers"] = {0, 1};
  const auto dense = OpenOrFail(TinyModel(config));
  ASSERT_NE(dense, nullptr);
  EXPECT_EQ(dense->model().info().num_experts, 0);
  EXPECT_EQ(dense->model().info().router, "");
  EXPECT_EQ(dense->model().info().d_feed_forward, 8);
}

TEST(Decoder, ATiedHeadIsTheEmbedding) {
  TinyModel untied(TinyMixtralConfig());
  untied.values("lm_head.weight") = untied.values("model.embed_tokens.weight");
  const auto expected = OpenOrFail(untied);
  TinyModel tied = untied;
  tied.config()["tie_word_embeddings"] = true;
  tied.Erase("lm_head.weight");
  const auto engine = OpenOrFail(tied);
  ASSERT_TRUE(engine != nullptr && expected != nullptr);
  const std::vector<int32_t> ids = SomeIds(10);
  EXPECT_TRUE(SameBits(AllLogits(*engine, ids), AllLogits(*expected, ids)));
  EXPECT_EQ(engine->model().info().parameters,
            expected->model().info().parameters - kTinyVocab * 16);
  EXPECT_EQ(engine->model().info().active_parameters,
            expected->model().info().active_parameters - kTinyVocab * 16);
  EXPECT_EQ(engine->store().declared_bytes(),
            expected->store().declared_bytes() - 4 * kTinyVocab * 16);
  EXPECT_THAT(engine->store().Unused(), ElementsAre());
}

// Some checkpoints keep a head that their config says is not used.
TEST(Decoder, UnusedTensorsAreReported) {
  TinyModel model(TinyMixtralConfig());
  model.config()["tie_word_embeddings"] = true;
  model.Set("model.layers.0.self_attn.rotary_emb.inv_freq", {4});
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(engine->store().Unused(),
              ElementsAre("lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"));
}

TEST(Decoder, EveryTensorIsNeeded) {
  const TinyModel whole(TinyMixtralConfig());
  const auto engine = OpenOrFail(whole);
  ASSERT_NE(engine, nullptr);
  std::vector<std::string> names;
  for (const Weight& weight : engine->store().weights()) names.push_back(weight.name);
  EXPECT_EQ(names.size(), 3U + 2 * (2 + 4 + 1 + 3 * 3));
  for (const std::string& name : names) {
    TinyModel model = whole;
    model.Erase(name);
    const Status status = OpenStatus(model);
    EXPECT_EQ(status.code(), StatusCode::kNotFound);
    EXPECT_THAT(status.message(),
                HasSubstr("tensor " + name + " is missing: the config needs it with shape "));
  }
}

TEST(Decoder, ShapesMustFitTheConfig) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"vocab_size", 261}},
       "model.embed_tokens.weight: the config needs shape [261, 16], found [262, 16]"},
      {{{"hidden_size", 32}, {"head_dim", 8}}, "needs shape [262, 32], found [262, 16]"},
      {{{"num_attention_heads", 4}, {"head_dim", 8}},
       "q_proj.weight: the config needs shape [32, 16], found [16, 16]"},
      {{{"num_key_value_heads", 2}},
       "k_proj.weight: the config needs shape [16, 16], found [8, 16]"},
      {{{"intermediate_size", 9}},
       "experts.0.w1.weight: the config needs shape [9, 16], found [8, 16]"},
      {{{"num_local_experts", 2}},
       "block_sparse_moe.gate.weight: the config needs shape [2, 16], found [3, 16]"},
      {{{"num_hidden_layers", 3}}, "tensor model.layers.2.input_layernorm.weight is missing"},
  };
  for (const auto& [changes, message] : cases) {
    TinyModel model(TinyMixtralConfig());
    model.config().update(changes);
    const Status status = OpenStatus(model);
    EXPECT_FALSE(status.ok()) << changes;
    EXPECT_THAT(status.message(), HasSubstr(message));
  }
}

TEST(Decoder, IdsOutsideTheVocabularyAreErrors) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> good = SomeIds(4);
  const std::vector<float> expected = AllLogits(*engine, good);
  for (const int32_t id : {-1, kTinyVocab, INT32_MAX, INT32_MIN}) {
    const std::vector<int32_t> ids = {1, id, 2};
    Sequence sequence(engine->pages());
    const Status status = engine->Feed(sequence, ids, LogitRows::kNone, nullptr);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr(std::to_string(id)), HasSubstr("vocabulary of 262")));
    EXPECT_EQ(sequence.length(), 0);
    // The sequence and the engine are as before.
    EXPECT_TRUE(SameBits(FeedLogits(*engine, sequence, good), expected));
  }
}

TEST(Decoder, AConfigErrorComesBeforeTheWeights) {
  TinyModel model(TinyMixtralConfig());
  model.config()["hidden_act"] = "warp";
  model.Erase("lm_head.weight");
  EXPECT_THAT(OpenStatus(model).message(), AllOf(HasSubstr("config.json"), HasSubstr("warp")));
}

}  // namespace
}  // namespace moiety
