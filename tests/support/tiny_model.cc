#include "support/tiny_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <span>
#include <string_view>
#include <utility>

#include "format/config_reader.h"
#include "format/safetensors.h"
#include "models/model.h"
#include "store/weight_store.h"
#include "support/random_values.h"
#include "tokenize/tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr double kScale = 0.5;  // far enough from 0 for every weight to matter

// Names and shapes that the model of a config asks for.
std::map<std::string, Shape> DeclaredTensors(const json& config) {
  MemoryBudget budget;
  ThreadPool pool(1);
  WeightStore store(RandomWeights(), "config.json", budget, pool);
  ConfigReader reader(config, "config.json");
  const auto model = BuildModel(reader, store);
  EXPECT_TRUE(model.ok()) << model.status().message();
  std::map<std::string, Shape> tensors;
  for (const Weight& weight : store.weights()) tensors[weight.name] = weight.shape;
  return tensors;
}

// Names and shapes as transformers writes them.
std::map<std::string, Shape> TensorsOf(const json& c) {
  const std::string type = c["model_type"];
  const auto listed = {"llama", "mistral", "mixtral", "qwen2", "qwen3"};
  if (std::find(listed.begin(), listed.end(), type) == listed.end()) return DeclaredTensors(c);
  const int64_t d = c["hidden_size"];
  const int64_t heads = c["num_attention_heads"];
  const int64_t head_dim = c.value("head_dim", d / heads);
  const int64_t kv = c.value("num_key_value_heads", heads) * head_dim;
  const int64_t hidden = c["intermediate_size"];
  const int64_t vocab_size = c["vocab_size"];
  std::map<std::string, Shape> tensors = {{"model.embed_tokens.weight", {vocab_size, d}},
                                          {"model.norm.weight", {d}}};
  if (!c.value("tie_word_embeddings", false)) tensors["lm_head.weight"] = {vocab_size, d};
  for (int64_t l = 0; l < c["num_hidden_layers"].get<int64_t>(); ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    const auto linear = [&](const std::string& name, int64_t d_out, int64_t d_in, bool bias) {
      tensors[layer + name + ".weight"] = {d_out, d_in};
      if (bias) tensors[layer + name + ".bias"] = {d_out};
    };
    const bool attention_bias = c.value("attention_bias", false);
    const bool qkv_bias = attention_bias || type == "qwen2";
    const bool mlp_bias = c.value("mlp_bias", false);
    tensors[layer + "input_layernorm.weight"] = {d};
    tensors[layer + "post_attention_layernorm.weight"] = {d};
    linear("self_attn.q_proj", heads * head_dim, d, qkv_bias);
    linear("self_attn.k_proj", kv, d, qkv_bias);
    linear("self_attn.v_proj", kv, d, qkv_bias);
    linear("self_attn.o_proj", d, heads * head_dim, attention_bias);
    if (type == "qwen3") {
      tensors[layer + "self_attn.q_norm.weight"] = {head_dim};
      tensors[layer + "self_attn.k_norm.weight"] = {head_dim};
    }
    if (type != "mixtral") {
      linear("mlp.gate_proj", hidden, d, mlp_bias);
      linear("mlp.up_proj", hidden, d, mlp_bias);
      linear("mlp.down_proj", d, hidden, mlp_bias);
      continue;
    }
    linear("block_sparse_moe.gate", c["num_local_experts"], d, false);
    for (int64_t e = 0; e < c["num_local_experts"].get<int64_t>(); ++e) {
      const std::string expert = "block_sparse_moe.experts." + std::to_string(e) + ".";
      linear(expert + "w1", hidden, d, false);
      linear(expert + "w2", d, hidden, false);
      linear(expert + "w3", hidden, d, false);
    }
  }
  return tensors;
}

}  // namespace

json TinyLlamaConfig() {
  return {{"model_type", "llama"},  {"vocab_size", kTinyVocab},       {"hidden_size", 16},
          {"num_hidden_layers", 2}, {"num_attention_heads", 2},       {"num_key_value_heads", 1},
          {"intermediate_size", 8}, {"max_position_embeddings", 128}, {"rms_norm_eps", 1e-5},
          {"head_dim", 8},          {"sliding_window", nullptr},      {"eos_token_id", 2}};
}

json TinyMixtralConfig() {
  json config = TinyLlamaConfig();
  config["model_type"] = "mixtral";
  config["num_local_experts"] = 3;
  config["num_experts_per_tok"] = 2;
  return config;
}

json TinyConfig(std::string_view model_type) {
  if (model_type == "mixtral") return TinyMixtralConfig();
  json config = TinyLlamaConfig();
  config["model_type"] = model_type;
  if (model_type.starts_with("gemma3")) {
    config["tie_word_embeddings"] = false;
    config["sliding_window"] = 4;
    config["sliding_window_pattern"] = 2;
    config["query_pre_attn_scalar"] = 8;
  }
  if (model_type == "gemma3") {
    config["model_type"] = "gemma3_text";
    return {{"model_type", "gemma3"}, {"text_config", config}, {"eos_token_id", 2}};
  }
  if (model_type.ends_with("moe") || model_type == "moiety") {
    config.update({{"num_experts", 3},
                   {"num_experts_per_tok", 2},
                   {"moe_intermediate_size", 6},
                   {"shared_expert_intermediate_size", 10}});
  }
  return config;
}

std::string TinyTokenizer() {
  json tokenizer = ByteFallbackJson();
  json& vocab = tokenizer["model"]["vocab"];
  vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}, {"[3]", 3}, {"[4]", 4}, {"[5]", 5}};
  tokenizer["model"]["merges"] = json::array();
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (size_t b = 0; b < 256; ++b) {
    const bool is_letter = b >= 0x20 && b < 0x7F;
    const std::string byte = std::string("<0x") + kDigits[b / 16] + kDigits[b % 16] + ">";
    vocab[is_letter ? std::string(1, static_cast<char>(b)) : byte] = 6 + b;
  }
  return tokenizer.dump();
}

TinyModel::TinyModel(json config, uint64_t seed) : config_(std::move(config)), seed_(seed) {
  for (const auto& [name, shape] : TensorsOf(config_)) Set(name, shape);
}

void TinyModel::Set(const std::string& name, const Shape& shape, std::vector<float> values) {
  if (values.empty())
    values = RandomValues(*NumElements(shape), seed_ + 1000 * tensors_.size(), kScale);
  ASSERT_EQ(static_cast<int64_t>(values.size()), NumElements(shape)) << name;
  tensors_[name] = {shape, std::move(values)};
}

void TinyModel::Write(const std::filesystem::path& folder) const {
  std::ofstream(folder / "config.json") << config_;
  std::ofstream(folder / "tokenizer.json") << TinyTokenizer();
  if (!generation_config.is_null())
    std::ofstream(folder / "generation_config.json") << generation_config;
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, tensor] : tensors_) {
    tensors.push_back({name, DType::kF32, tensor.shape, std::as_bytes(std::span(tensor.values))});
  }
  const Status status = WriteSafetensors(folder / "model.safetensors", tensors);
  EXPECT_TRUE(status.ok()) << status.message();
}

TinyModel ScriptedModel(const std::map<int32_t, int32_t>& next) {
  // Embeddings are unit vectors, the layer adds nothing, and the head turns i into next[i].
  json config = TinyLlamaConfig();
  config["num_hidden_layers"] = 1;
  config["hidden_size"] = kTinyVocab;
  config["num_attention_heads"] = 1;
  config["head_dim"] = 2;
  TinyModel model(config);
  const auto fill = [&](const std::string& name, float value) {
    std::fill(model.values(name).begin(), model.values(name).end(), value);
  };
  fill("model.layers.0.self_attn.o_proj.weight", 0);
  fill("model.layers.0.mlp.down_proj.weight", 0);
  fill("model.norm.weight", 1);
  fill("model.embed_tokens.weight", 0);
  fill("lm_head.weight", 0);
  for (size_t i = 0; i < kTinyVocab; ++i)
    model.values("model.embed_tokens.weight")[i * kTinyVocab + i] = 1;
  for (const auto& [from, to] : next) {
    model.values("lm_head.weight")[static_cast<size_t>(to * kTinyVocab + from)] = 1;
  }
  return model;
}

TinyModel ScriptedModel(const std::string& text, int32_t end) {
  std::map<int32_t, int32_t> next;
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(next.contains(ByteId(text[i]))) << "byte " << i << " of the text comes twice";
    next[ByteId(text[i])] = i + 1 < text.size() ? ByteId(text[i + 1]) : end;
  }
  return ScriptedModel(next);
}

}  // namespace moiety
