// What the decoder architectures read from config.json, and what they refuse.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "models/decoder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json Config() {
  return {{"model_type", "llama"},         {"vocab_size", 100},        {"hidden_size", 32},
          {"num_hidden_layers", 3},        {"num_attention_heads", 4}, {"intermediate_size", 24},
          {"max_position_embeddings", 64}, {"rms_norm_eps", 1e-6}};
}

json With(const json& changes) {
  json config = Config();
  if (!changes.is_null()) config.update(changes);
  return config;
}

// The config with the changes, read; its status must be ok.
DecoderConfig Read(const json& changes, double default_theta = 10000) {
  const json config = With(changes);
  ConfigReader reader(config, "config.json");
  DecoderConfig decoder = ReadDecoderConfig(reader, default_theta);
  EXPECT_TRUE(reader.status().ok()) << reader.status().message();
  return decoder;
}

TEST(DecoderConfig, ReadsWhatIsThere) {
  const DecoderConfig d = Read({{"num_key_value_heads", 2},
                                {"head_dim", 12},
                                {"max_position_embeddings", 77},
                                {"rms_norm_eps", 1e-3},
                                {"tie_word_embeddings", true}});
  EXPECT_EQ(d.model_type, "llama");
  EXPECT_EQ(d.vocab_size, 100);
  EXPECT_EQ(d.d_model, 32);
  EXPECT_EQ(d.num_layers, 3);
  EXPECT_EQ(d.num_heads, 4);
  EXPECT_EQ(d.num_kv_heads, 2);
  EXPECT_EQ(d.head_dim, 12);
  EXPECT_EQ(d.d_feed_forward, 24);
  EXPECT_EQ(d.context_length, 77);
  EXPECT_EQ(d.rms_norm_eps, 1e-3F);
  EXPECT_TRUE(d.tied_head);
  EXPECT_THAT(d.windows, ElementsAre(0, 0, 0));
  EXPECT_EQ(d.rope.inverse_frequencies.size(), 6U);
  EXPECT_FALSE(d.moe.has_value());
  EXPECT_EQ(d.attention_scale, static_cast<float>(1 / std::sqrt(12.0)));
  EXPECT_EQ(d.activation, Activation::kSilu);
}

TEST(DecoderConfig, Activations) {
  for (const char* name : {"silu", "swish"}) {
    EXPECT_EQ(Read({{"hidden_act", name}}).activation, Activation::kSilu);
  }
  for (const char* name : {"gelu_pytorch_tanh", "gelu_new"}) {
    EXPECT_EQ(Read({{"hidden_act", name}}).activation, Activation::kGeluTanh);
  }
}

TEST(DecoderConfig, FillsInWhatConfigsLeaveOut) {
  const DecoderConfig d = Read({{"num_key_value_heads", nullptr}, {"head_dim", nullptr}}, 500);
  EXPECT_EQ(d.num_kv_heads, 4);
  EXPECT_EQ(d.head_dim, 8);
  EXPECT_FALSE(d.tied_head);
  EXPECT_NEAR(d.rope.inverse_frequencies[1], std::pow(500.0, -0.25), 1e-6);
}

TEST(DecoderConfig, HeadDimNeedNotDivideTheWidth) {
  EXPECT_EQ(Read({{"num_attention_heads", 5}, {"head_dim", 10}}).head_dim, 10);
  EXPECT_EQ(Read({{"hidden_act", "swish"}, {"partial_rotary_factor", 1.0}}).head_dim, 8);
}

TEST(DecoderConfig, RefusesWhatMakesNoSense) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"vocab_size", nullptr}}, "\"vocab_size\" is missing"},
      {{{"rms_norm_eps", nullptr}}, "\"rms_norm_eps\" is missing"},
      {{{"max_position_embeddings", nullptr}}, "\"max_position_embeddings\" is missing"},
      {{{"head_dim", 8194}}, "\"head_dim\" must be an integer from 1 to 8192, found 8194"},
      {{{"hidden_size", 40000}}, "\"hidden_size\" gives heads of 10000, more than 8192"},
      {{{"vocab_size", 0}}, "\"vocab_size\" must be an integer from 1 to 2147483647, found 0"},
      {{{"hidden_size", -16}}, "\"hidden_size\" must be"},
      {{{"hidden_size", 16.5}}, "found 16.5"},
      {{{"hidden_size", "32"}}, "found \"32\""},
      {{{"num_hidden_layers", 0}},
       "\"num_hidden_layers\" must be an integer from 1 to 4096, found 0"},
      {{{"num_hidden_layers", 1000000000}}, "\"num_hidden_layers\" must be"},
      {{{"num_attention_heads", 0}}, "\"num_attention_heads\" must be"},
      {{{"num_attention_heads", 3}},
       "\"num_attention_heads\" must divide hidden_size 32 when there is no head_dim, found 3"},
      {{{"num_key_value_heads", 3}},
       "\"num_key_value_heads\" must divide num_attention_heads 4, found 3"},
      {{{"num_key_value_heads", 8}},
       "\"num_key_value_heads\" must divide num_attention_heads 4, found 8"},
      {{{"head_dim", 7}}, "\"head_dim\" must be even for rope, found 7"},
      {{{"intermediate_size", 0}}, "\"intermediate_size\" must be"},
      {{{"max_position_embeddings", 0}}, "\"max_position_embeddings\" must be"},
      {{{"rms_norm_eps", -1}}, "\"rms_norm_eps\" must be from 0 to 1, found -1"},
      {{{"rms_norm_eps", 2}}, "\"rms_norm_eps\" must be from 0 to 1, found 2"},
      {{{"tie_word_embeddings", 1}}, "\"tie_word_embeddings\" must be true or false, found 1"},
      {{{"rope_theta", 0}}, "\"rope_theta\" must be from 1 to 1000000000000000, found 0"},
  };
  for (const auto& [changes, message] : cases) {
    const json config = With(changes);
    ConfigReader reader(config, "config.json");
    (void)ReadDecoderConfig(reader, 10000);
    EXPECT_EQ(reader.status().code(), StatusCode::kInvalidData) << changes;
    EXPECT_TRUE(reader.status().message().starts_with("config.json: \""));
    EXPECT_THAT(reader.status().message(), HasSubstr(message));
  }
}

TEST(DecoderConfig, RefusesWhatItCannotDo) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"hidden_act", "gelu"}},
       "\"hidden_act\" is \"gelu\": supported are silu, swish, gelu_pytorch_tanh, gelu_new"},
      {{{"partial_rotary_factor", 0.5}}, "\"partial_rotary_factor\" is 0.5: only 1 is supported"},
      {{{"rope_scaling", {{"type", "spiral"}, {"factor", 2}}}}, "spiral"},
  };
  for (const auto& [changes, message] : cases) {
    const json config = With(changes);
    ConfigReader reader(config, "config.json");
    (void)ReadDecoderConfig(reader, 10000);
    EXPECT_EQ(reader.status().code(), StatusCode::kUnsupported) << changes;
    EXPECT_THAT(reader.status().message(), HasSubstr(message));
  }
}

// The windows of the three layers, or the error.
struct Windows {
  std::vector<int64_t> windows;
  Status status;
};
Windows ReadWindows(const json& changes, int64_t first_layer) {
  const json config = With(changes);
  ConfigReader reader(config, "config.json");
  DecoderConfig d = ReadDecoderConfig(reader, 10000);
  ReadSlidingWindow(reader, first_layer, d);
  return {d.windows, reader.status()};
}

TEST(SlidingWindow, AppliesFromALayerOn) {
  EXPECT_THAT(ReadWindows({{"sliding_window", 12}}, 0).windows, ElementsAre(12, 12, 12));
  EXPECT_THAT(ReadWindows({{"sliding_window", 12}}, 1).windows, ElementsAre(0, 12, 12));
  EXPECT_THAT(ReadWindows({{"sliding_window", 12}}, 28).windows, ElementsAre(0, 0, 0));
  EXPECT_THAT(ReadWindows({{"sliding_window", nullptr}}, 0).windows, ElementsAre(0, 0, 0));
}

TEST(SlidingWindow, LayerTypesDecide) {
  const json types = {"sliding_attention", "full_attention", "sliding_attention"};
  EXPECT_THAT(ReadWindows({{"sliding_window", 12}, {"layer_types", types}}, 1).windows,
              ElementsAre(12, 0, 12));
}

TEST(SlidingWindow, AppliesToTheLayersThatAreSaidTo) {
  const json config = With({{"sliding_window", 12}});
  ConfigReader reader(config, "config.json");
  DecoderConfig d = ReadDecoderConfig(reader, 10000);
  ReadSlidingWindow(
      reader, [](int64_t layer) { return layer % 2 == 0; }, d);
  EXPECT_THAT(d.windows, ElementsAre(12, 0, 12));
}

// The MoE layers of a config with the changes, or the error.
struct Experts {
  DecoderConfig decoder;
  Status status;
};
Experts ReadMoe(const json& changes) {
  const json config = With(changes);
  ConfigReader reader(config, "config.json");
  DecoderConfig d = ReadDecoderConfig(reader, 10000);
  ReadExperts(reader, d);
  ReadSparseLayers(reader, d);
  return {d, reader.status()};
}

TEST(Experts, InBothSpellings) {
  for (const char* key : {"num_experts", "num_local_experts"}) {
    const auto [d, status] = ReadMoe({{key, 6}, {"num_experts_per_tok", 4}});
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(d.moe->num_experts, 6);
    EXPECT_EQ(d.moe->top_k, 4);
    EXPECT_FALSE(d.moe->renormalize);
    EXPECT_THAT(d.moe_layers, ElementsAre(true, true, true));
  }
  EXPECT_TRUE(ReadMoe({{"num_experts", 6}, {"num_experts_per_tok", 4}, {"norm_topk_prob", true}})
                  .decoder.moe->renormalize);
}

TEST(Experts, SparseLayers) {
  const auto layers = [](int64_t step, const std::vector<int64_t>& dense) {
    const auto [d, status] = ReadMoe({{"num_experts", 6},
                                      {"num_experts_per_tok", 4},
                                      {"decoder_sparse_step", step},
                                      {"mlp_only_layers", dense}});
    EXPECT_TRUE(status.ok()) << status.message();
    return d.moe_layers;
  };
  EXPECT_THAT(layers(2, {}), ElementsAre(false, true, false));
  EXPECT_THAT(layers(3, {}), ElementsAre(false, false, true));
  EXPECT_THAT(layers(1, {0, 2, 99}), ElementsAre(false, true, false));
  EXPECT_THAT(layers(2, {1}), ElementsAre(false, false, false));
}

TEST(Experts, Errors) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"num_experts_per_tok", 1}}, "\"num_experts\" is missing"},
      {{{"num_experts", 0}}, "\"num_experts\" must be"},
      {{{"num_experts", 4}, {"num_experts_per_tok", 5}},
       "\"num_experts_per_tok\" must be an integer from 1 to 4, found 5"},
      {{{"num_experts", 4}, {"num_experts_per_tok", 2}, {"decoder_sparse_step", 0}},
       "\"decoder_sparse_step\" must be"},
      {{{"num_experts", 4}, {"num_experts_per_tok", 2}, {"mlp_only_layers", {-1}}},
       "\"mlp_only_layers\" must be"},
  };
  for (const auto& [changes, message] : cases) {
    const Status status = ReadMoe(changes).status;
    EXPECT_EQ(status.code(), StatusCode::kInvalidData) << changes;
    EXPECT_THAT(status.message(), HasSubstr(message));
  }
}

TEST(SlidingWindow, Errors) {
  const json sliding = {"full_attention", "sliding_attention", "full_attention"};
  const std::vector<std::pair<json, std::string>> cases = {
      {json::object(), "\"sliding_window\" is missing: null means none"},
      {{{"sliding_window", 0}}, "\"sliding_window\" must be"},
      {{{"sliding_window", 8}, {"layer_types", {"full_attention"}}},
       "\"layer_types\" must have an entry for each of 3 layers, found 1"},
      {nullptr, "\"sliding_window\" is missing: null means none"},
      {{{"sliding_window", nullptr}, {"layer_types", sliding}},
       "\"sliding_window\" is missing, but layer_types names sliding layers"},
      {{{"sliding_window", 8}, {"layer_types", "full_attention"}},
       "\"layer_types\" must be a list of strings"},
  };
  for (const auto& [changes, message] : cases) {
    const Status status = ReadWindows(changes, 0).status;
    EXPECT_EQ(status.code(), StatusCode::kInvalidData) << changes;
    EXPECT_THAT(status.message(), HasSubstr(message));
  }
  const Status chunked =
      ReadWindows({{"sliding_window", nullptr},
                   {"layer_types", {"full_attention", "chunked_attention", "full_attention"}}},
                  0)
          .status;
  EXPECT_EQ(chunked.code(), StatusCode::kUnsupported);
  EXPECT_THAT(chunked.message(), HasSubstr("\"chunked_attention\""));
}

}  // namespace
}  // namespace moiety
