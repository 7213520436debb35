// gemma3: Gemma Team 2025, "Gemma 3 technical report": norms before and behind each block, RMSNorm
// over each head of q and k, gelu, embeddings times √d_model, and five sliding layers with a rope
// of their own to each one that sees all.
//
// "gemma3_text" is a model of text alone; "gemma3" one that also sees images, of which the language
// model is read: images are not.
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "models/decoder.h"
#include "models/rope_config.h"

namespace moiety {
namespace {

using nlohmann::json;

// What published configs leave out, by the reference's configuration class.
json Defaults() {
  return {{"model_type", "gemma3_text"},
          {"vocab_size", 262208},
          {"hidden_size", 2304},
          {"intermediate_size", 9216},
          {"num_hidden_layers", 26},
          {"num_attention_heads", 8},
          {"num_key_value_heads", 4},
          {"head_dim", 256},
          {"hidden_activation", "gelu_pytorch_tanh"},
          {"max_position_embeddings", 131072},
          {"rms_norm_eps", 1e-6},
          {"tie_word_embeddings", true},
          {"query_pre_attn_scalar", 256},
          {"sliding_window", 4096}};
}

// A number above 0 that f32 can hold.
float Positive(ConfigReader& config, std::string_view key) {
  constexpr double kMax = 1e9;
  const double value = config.Float(key);
  if (value > 0 && value <= kMax) return static_cast<float>(value);
  config.Fail(key, Format("must be above 0 and at most {}, found {}", kMax, value));
  return 1;
}

DecoderConfig ReadGemma3(ConfigReader& config) {
  DecoderConfig d = ReadDecoderConfig(config, 1e6, "hidden_activation");
  if (!config.status().ok()) return d;
  d.qkv_bias = d.o_bias = config.BoolOr("attention_bias", false);
  d.qk_norm = QkNorm::kHead;
  d.post_norms = true;
  d.names.ffn_norm = "model.layers.{l}.pre_feedforward_layernorm";
  // Checkpoints hold w for a gain of 1 + w; GGUF files hold the gain, and say so by this key.
  d.gain_offset = config.BoolOr("norm_gains_are_whole", false) ? 0.0F : 1.0F;
  // The reference rounds this to the type that it computes in, which is f32 here.
  d.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(d.d_model)));
  d.attention_scale = 1 / std::sqrt(Positive(config, "query_pre_attn_scalar"));
  if (!config.Missing("final_logit_softcapping")) {
    d.logit_soft_cap = Positive(config, "final_logit_softcapping");
  }
  if (!config.Missing("attn_logit_softcapping")) {
    config.FailUnsupported("attn_logit_softcapping", "is set: only null is supported");
  }
  if (config.BoolOr("use_bidirectional_attention", false)) {
    config.FailUnsupported("use_bidirectional_attention", "is true: only false is supported");
  }
  const int64_t pattern = config.IntOr("sliding_window_pattern", 6, 1, INT32_MAX);
  ReadSlidingWindow(
      config, [=](int64_t layer) { return (layer + 1) % pattern != 0; }, d);
  d.rope =
      ReadRopeTable(config, d.head_dim, d.context_length, 1e6, {.layer_type = "full_attention"});
  d.sliding_rope = ReadRopeTable(
      config, d.head_dim, d.context_length, 1e4,
      {.theta = "rope_local_base_freq", .scaling = "", .layer_type = "sliding_attention"});
  return d;
}

// Puts the names of the tensors behind a prefix.
void AddPrefix(const std::string& prefix, DecoderTensorNames& names) {
  for (std::string* name :
       {&names.embedding, &names.final_norm, &names.head, &names.attention_norm, &names.q, &names.k,
        &names.v, &names.o, &names.q_norm, &names.k_norm, &names.attention_post_norm,
        &names.ffn_norm, &names.ffn_post_norm, &names.gate, &names.up, &names.down}) {
    name->insert(0, prefix);
  }
}

}  // namespace

Result<std::unique_ptr<const Model>> BuildGemma3Text(ConfigReader& config, WeightStore& store) {
  const json defaults = Defaults();
  ConfigReader filled = config.WithDefaults(defaults);
  return BuildDecoder(config, ReadGemma3(filled), store);
}

Result<std::unique_ptr<const Model>> BuildGemma3(ConfigReader& config, WeightStore& store) {
  std::optional<ConfigReader> text = config.Object("text_config");
  if (!text.has_value()) {
    config.Fail("text_config", "is missing");
    return config.status();
  }
  const json defaults = Defaults();
  ConfigReader filled = text->WithDefaults(defaults);
  DecoderConfig d = ReadGemma3(filled);
  d.model_type = "gemma3";
  AddPrefix("language_model.", d.names);
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
