#include <gmock/gmock.h>

#include <set>

#include "routing/router_recorder.h"
#include "support/bits.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

using testing::HasSubstr;

std::vector<LayerRouting> Routing(Engine& engine, const std::vector<int32_t>& ids) {
  RouterRecorder recorder(engine.model().info().top_k);
  Sequence sequence(engine.pages());
  EXPECT_FALSE(FeedLogits(engine, sequence, ids, Engine::kDefaultChunk, &recorder).empty());
  return recorder.Take();
}

TEST(Mixtral, WeightsAreTheSoftmaxOverTheBestExperts) {
  for (const int top_k : {1, 2, 3}) {
    nlohmann::json config = TinyMixtralConfig();
    config["num_experts_per_tok"] = top_k;
    const auto engine = OpenOrFail(TinyModel(config));
    ASSERT_NE(engine, nullptr);
    const auto layers = Routing(*engine, SomeIds(9));
    ASSERT_EQ(layers.size(), 2U);
    for (const LayerRouting& layer : layers) {
      ASSERT_EQ(layer.num_tokens, 9);
      ASSERT_EQ(layer.num_experts, 3);
      ASSERT_EQ(layer.top_k, top_k);
      for (size_t t = 0; t < 9; ++t) {
        const float* logits = &layer.logits[3 * t];
        std::vector<int32_t> best = {0, 1, 2};
        std::sort(best.begin(), best.end(),
                  [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
        double sum = 0;
        for (int k = 0; k < top_k; ++k)
          sum += std::exp(static_cast<double>(logits[best[static_cast<size_t>(k)]]));
        for (size_t k = 0; k < static_cast<size_t>(top_k); ++k) {
          const size_t at = t * static_cast<size_t>(top_k) + k;
          EXPECT_EQ(layer.experts[at], best[k]);
          EXPECT_NEAR(layer.weights[at], std::exp(static_cast<double>(logits[best[k]])) / sum,
                      1e-6);
        }
      }
    }
  }
}

TEST(Mixtral, UsesEveryExpert) {
  const TinyModel model(TinyMixtralConfig());
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = SomeIds(40);
  const std::vector<float> expected = AllLogits(*engine, ids);
  for (const std::string expert : {"0", "1", "2"}) {
    for (const std::string matrix : {"w1", "w2", "w3"}) {
      TinyModel changed = model;
      for (float& v : changed.values("model.layers.1.block_sparse_moe.experts." + expert + "." +
                                     matrix + ".weight")) {
        v = -v;
      }
      const auto other = OpenOrFail(changed);
      ASSERT_NE(other, nullptr);
      EXPECT_NE(AllLogits(*other, ids), expected) << expert << " " << matrix;
    }
  }
}

// The output of experts that are all the same does not depend on who is chosen.
TEST(Mixtral, EqualExpertsAreADenseModel) {
  nlohmann::json config = TinyLlamaConfig();
  config["model_type"] = "mistral";
  config["rope_theta"] = 1e6;
  const TinyModel dense(config);
  TinyModel mixture(TinyMixtralConfig());
  TinyModel source = dense;
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"mlp.gate_proj", "w1"}, {"mlp.down_proj", "w2"}, {"mlp.up_proj", "w3"}}) {
    for (const std::string layer : {"0", "1"}) {
      for (const std::string expert : {"0", "1", "2"}) {
        mixture.values("model.layers." + layer + ".block_sparse_moe.experts." + expert + "." + to +
                       ".weight") = source.values("model.layers." + layer + "." + from + ".weight");
      }
    }
  }
  for (const std::string layer : {"0", "1"}) {
    for (const std::string name :
         {"input_layernorm", "post_attention_layernorm", "self_attn.q_proj", "self_attn.k_proj",
          "self_attn.v_proj", "self_attn.o_proj"}) {
      const std::string full = "model.layers." + layer + "." + name + ".weight";
      mixture.values(full) = source.values(full);
    }
  }
  for (const std::string name :
       {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"}) {
    mixture.values(name) = source.values(name);
  }
  const auto a = OpenOrFail(dense);
  const auto b = OpenOrFail(mixture);
  ASSERT_TRUE(a != nullptr && b != nullptr);
  const std::vector<float> expected = AllLogits(*a, SomeIds(12));
  const std::vector<float> found = AllLogits(*b, SomeIds(12));
  ASSERT_EQ(found.size(), expected.size());
  // Weights that sum to 1 up to rounding: a few units in the last place of values around 10.
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-4);
}

TEST(Mixtral, ConfigErrors) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"num_local_experts", 0}}, "\"num_local_experts\" must be"},
      {{{"num_local_experts", nullptr}}, "\"num_local_experts\" is missing"},
      {{{"num_experts_per_tok", 0}},
       "\"num_experts_per_tok\" must be an integer from 1 to 3, found 0"},
      {{{"num_experts_per_tok", 4}},
       "\"num_experts_per_tok\" must be an integer from 1 to 3, found 4"},
      {{{"num_experts_per_tok", nullptr}}, "\"num_experts_per_tok\" is missing"},
      {{{"sliding_window", 0}}, "\"sliding_window\" must be"},
  };
  for (const auto& [changes, message] : cases) {
    TinyModel model(TinyMixtralConfig());
    model.config().update(changes);
    EXPECT_THAT(OpenStatus(model).message(), HasSubstr(message));
  }
}

TEST(Mixtral, SlidingWindow) {
  nlohmann::json config = TinyMixtralConfig();
  config["num_hidden_layers"] = 1;
  config["sliding_window"] = 6;
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(LastPositionThatSeesTheFirst(*engine, SomeIds(20)), 5);
}

TEST(Mixtral, OneExpertTakesAll) {
  nlohmann::json config = TinyMixtralConfig();
  config["num_local_experts"] = 1;
  config["num_experts_per_tok"] = 1;
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  for (const LayerRouting& layer : Routing(*engine, SomeIds(5))) {
    EXPECT_EQ(layer.experts, std::vector<int32_t>(5, 0));
    EXPECT_EQ(layer.weights, std::vector<float>(5, 1.0F));
  }
}

}  // namespace
}  // namespace moiety
