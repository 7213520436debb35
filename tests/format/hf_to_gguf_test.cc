#include "format/hf_to_gguf.h"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

void Put(TensorTable& table, const std::string& name, const Shape& shape,
         DType dtype = DType::kF32) {
  table.tensors[name] = {dtype, shape, 0, 0, DTypeBytes(dtype, *NumElements(shape))};
}

// One layer of width 8 with 4 heads over 2.
json MixtralConfig() {
  return {{"model_type", "mixtral"},
          {"hidden_size", 8},
          {"num_hidden_layers", 1},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"intermediate_size", 6},
          {"max_position_embeddings", 16},
          {"rms_norm_eps", 1e-5},
          {"num_local_experts", 2},
          {"num_experts_per_tok", 1},
          {"vocab_size", 5},
          {"sliding_window", 7},
          {"head_dim", nullptr},
          {"rope_parameters", {{"rope_theta", 500000.0}}}};
}
TensorTable MixtralTensors() {
  TensorTable table;
  Put(table, "lm_head.weight", {5, 8});
  Put(table, "model.embed_tokens.weight", {5, 8}, DType::kBF16);
  Put(table, "model.layers.0.self_attn.q_proj.weight", {8, 8});
  Put(table, "model.layers.0.self_attn.k_proj.weight", {4, 8});
  Put(table, "model.layers.0.self_attn.rotary_emb.inv_freq", {1});
  Put(table, "model.layers.0.block_sparse_moe.gate.weight", {2, 8});
  for (const char* expert : {"0", "1"}) {
    const std::string prefix = std::string("model.layers.0.block_sparse_moe.experts.") + expert;
    Put(table, prefix + ".w1.weight", {6, 8});
    Put(table, prefix + ".w2.weight", {8, 6});
    Put(table, prefix + ".w3.weight", {6, 8});
  }
  return table;
}

GgufValue ValueOf(const GgufPairs& metadata, const std::string& key) {
  for (const auto& pair : metadata.pairs()) {
    if (pair.key == key) {
      return {pair.type, pair.element, pair.count, std::as_bytes(std::span(pair.bytes))};
    }
  }
  ADD_FAILURE() << "there is no " << key;
  return {GgufType::kU8, GgufType::kU8, 0, {}};
}

std::string MessageOf(const json& config, const TensorTable& tensors = MixtralTensors()) {
  const auto source = HfToGguf(config, tensors, "config.json");
  return source.ok() ? "ok" : source.status().message();
}

TEST(HfToGguf, MetadataOfAMixtral) {
  const auto source = HfToGguf(MixtralConfig(), MixtralTensors(), "config.json");
  ASSERT_TRUE(source.ok()) << source.status().message();
  const GgufPairs& metadata = source->metadata;
  EXPECT_EQ(ValueOf(metadata, "general.architecture").String(), "llama");
  EXPECT_EQ(ValueOf(metadata, "llama.block_count").Integer(), 1);
  EXPECT_EQ(ValueOf(metadata, "llama.block_count").type, GgufType::kU32);
  EXPECT_EQ(ValueOf(metadata, "llama.expert_count").Integer(), 2);
  EXPECT_EQ(ValueOf(metadata, "llama.expert_used_count").Integer(), 1);
  EXPECT_EQ(ValueOf(metadata, "llama.attention.sliding_window").Integer(), 7);
  EXPECT_EQ(ValueOf(metadata, "llama.attention.head_count_kv").Integer(), 2);
  EXPECT_EQ(ValueOf(metadata, "llama.rope.freq_base").Number(), 500000);
  EXPECT_EQ(ValueOf(metadata, "llama.rope.dimension_count").Integer(), 2);
  EXPECT_FALSE(metadata.Contains("llama.attention.key_length"));
  EXPECT_FALSE(metadata.Contains("llama.rope.scaling.type"));
}

TEST(HfToGguf, TensorsOfAMixtral) {
  const auto source = HfToGguf(MixtralConfig(), MixtralTensors(), "config.json");
  ASSERT_TRUE(source.ok()) << source.status().message();
  std::vector<std::string> names;
  for (const auto& tensor : source->tensors) names.push_back(tensor.name);
  EXPECT_THAT(
      names, ElementsAre("token_embd.weight", "output.weight", "blk.0.ffn_gate_inp.weight",
                         "blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.ffn_gate_exps.weight",
                         "blk.0.ffn_up_exps.weight", "blk.0.ffn_down_exps.weight"));
  EXPECT_EQ(source->tensors[2].interleaved_heads, 0);
  EXPECT_EQ(source->tensors[3].interleaved_heads, 4);
  EXPECT_EQ(source->tensors[4].interleaved_heads, 2);
  EXPECT_EQ(source->tensors[7].shape, (Shape{2, 8, 6}));
  EXPECT_EQ(source->tensors[7].pieces.size(), 2U);
  EXPECT_EQ(source->tensors[0].pieces[0].dtype, DType::kBF16);
  EXPECT_EQ(source->vocab_size, 5);
}

TEST(HfToGguf, ATiedHeadIsNotWritten) {
  json config = MixtralConfig();
  config["tie_word_embeddings"] = true;
  const auto source = HfToGguf(config, MixtralTensors(), "config.json");
  ASSERT_TRUE(source.ok());
  for (const auto& tensor : source->tensors) EXPECT_NE(tensor.name, "output.weight");
}

TEST(HfToGguf, RowsOfHeads) {
  // Halves a a a b b b of one head become a b a b a b.
  std::vector<int64_t> rows;
  for (int64_t row = 6; row < 12; ++row) rows.push_back(InterleavedRow(row, 6));
  EXPECT_THAT(rows, ElementsAre(6, 9, 7, 10, 8, 11));
  for (int64_t row = 0; row < 48; ++row) {
    EXPECT_EQ(UninterleavedRow(InterleavedRow(row, 12), 12), row);
    EXPECT_EQ(InterleavedRow(UninterleavedRow(row, 16), 16), row);
  }
}

TEST(HfToGguf, RopeScaling) {
  json config = MixtralConfig();
  config["rope_parameters"] = {{"rope_type", "yarn"},
                               {"rope_theta", 1e6},
                               {"factor", 4.0},
                               {"original_max_position_embeddings", 32},
                               {"beta_fast", 16}};
  auto source = HfToGguf(config, MixtralTensors(), "config.json");
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(ValueOf(source->metadata, "llama.rope.scaling.type").String(), "yarn");
  EXPECT_EQ(ValueOf(source->metadata, "llama.rope.scaling.factor").Number(), 4);
  EXPECT_EQ(ValueOf(source->metadata, "llama.rope.scaling.original_context_length").Integer(), 32);
  EXPECT_EQ(ValueOf(source->metadata, "llama.rope.scaling.yarn_beta_fast").Number(), 16);
  config["rope_parameters"]["mscale"] = 1;
  EXPECT_THAT(MessageOf(config), HasSubstr("\"mscale\", which cannot be said in GGUF"));
  config["rope_parameters"] = {{"rope_type", "llama3"}};
  EXPECT_THAT(MessageOf(config), HasSubstr("only default, linear and yarn"));
  config.erase("rope_parameters");
  config["rope_theta"] = 1234;
  config["rope_scaling"] = {{"type", "linear"}, {"factor", 2}};
  source = HfToGguf(config, MixtralTensors(), "config.json");
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(ValueOf(source->metadata, "llama.rope.freq_base").Number(), 1234);
  EXPECT_EQ(ValueOf(source->metadata, "llama.rope.scaling.type").String(), "linear");
}

TEST(HfToGguf, WhatIsNotThereOrUnknown) {
  json config = MixtralConfig();
  config["model_type"] = "gearbox";
  EXPECT_THAT(MessageOf(config), HasSubstr("model_type \"gearbox\" has no GGUF architecture"));
  config = MixtralConfig();
  config.erase("rms_norm_eps");
  EXPECT_THAT(MessageOf(config), HasSubstr("rms_norm_eps"));
  config = MixtralConfig();
  config["hidden_size"] = "8";
  EXPECT_THAT(MessageOf(config), HasSubstr("hidden_size"));
  config = MixtralConfig();
  config["num_local_experts"] = 3;
  EXPECT_THAT(MessageOf(config), HasSubstr("expected 3 experts, found 2"));
  config = MixtralConfig();
  config["vocab_size"] = 6;
  EXPECT_THAT(MessageOf(config), HasSubstr("vocab_size is 6, but the embedding has shape [5, 8]"));
  config = MixtralConfig();
  config["num_attention_heads"] = 3;
  EXPECT_THAT(MessageOf(config), HasSubstr("for each of 3 heads"));

  TensorTable tensors = MixtralTensors();
  Put(tensors, "model.layers.0.extra.weight", {1});
  EXPECT_THAT(MessageOf(MixtralConfig(), tensors), HasSubstr("no GGUF name is known"));
  tensors = MixtralTensors();
  Put(tensors, "model.layers.0.block_sparse_moe.experts.1.w1.weight", {8, 6});
  EXPECT_THAT(MessageOf(MixtralConfig(), tensors), HasSubstr("expected expert 1 of shape [6, 8]"));
  tensors = MixtralTensors();
  Put(tensors, "model.embed_tokens.weight", {5, 8}, DType::kI32);
  EXPECT_THAT(MessageOf(MixtralConfig(), tensors), HasSubstr("weights of I32"));
  tensors.tensors.erase("model.embed_tokens.weight");
  EXPECT_THAT(MessageOf(MixtralConfig(), tensors), HasSubstr("no model.embed_tokens.weight"));
}

TEST(HfToGguf, WindowsThatFilesCannotSay) {
  json config = MixtralConfig();
  config["model_type"] = "qwen2";
  TensorTable tensors;
  Put(tensors, "model.embed_tokens.weight", {5, 8});
  auto source = HfToGguf(config, tensors, "config.json");
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_FALSE(source->metadata.Contains("qwen2.attention.sliding_window"));
  config["use_sliding_window"] = true;
  EXPECT_THAT(MessageOf(config, tensors), HasSubstr("use_sliding_window"));
}

std::map<std::string, GgufSourceTensor> ByName(const GgufSource& source) {
  std::map<std::string, GgufSourceTensor> by_name;
  for (const GgufSourceTensor& tensor : source.tensors) by_name[tensor.name] = tensor;
  return by_name;
}

// One name in folders, two tensors in files: the norm before the feed-forward block of most, the
// one behind attention of some.
TEST(HfToGguf, NormsOfGemma3) {
  json config = MixtralConfig();
  config["model_type"] = "gemma3_text";
  config["query_pre_attn_scalar"] = 16;
  config["num_hidden_layers"] = 2;
  config["layer_types"] = {"sliding_attention", "full_attention"};
  config["rope_parameters"] = {{"full_attention", {{"rope_theta", 1e6}}},
                               {"sliding_attention", {{"rope_theta", 1e4}}}};
  TensorTable tensors;
  Put(tensors, "model.embed_tokens.weight", {5, 8});
  for (const char* name : {"input_layernorm", "post_attention_layernorm",
                           "pre_feedforward_layernorm", "post_feedforward_layernorm"}) {
    Put(tensors, std::string("model.layers.0.") + name + ".weight", {8});
  }
  const auto source = HfToGguf(config, tensors, "config.json");
  ASSERT_TRUE(source.ok()) << source.status().message();
  const auto by_name = ByName(*source);
  EXPECT_EQ(by_name.size(), 5U);
  for (const char* name : {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"}) {
    EXPECT_EQ(by_name.at(std::string("blk.0.") + name + ".weight").offset, 1) << name;
  }
  EXPECT_EQ(by_name.at("token_embd.weight").offset, 0);
  EXPECT_EQ(ValueOf(source->metadata, "gemma3.attention.scale").Number(), 0.25);
  EXPECT_EQ(ValueOf(source->metadata, "gemma3.rope.freq_base").Number(), 1e6);
  EXPECT_EQ(ValueOf(source->metadata, "gemma3.rope.freq_base_swa").Number(), 1e4);
  EXPECT_EQ(ValueOf(source->metadata, "gemma3.attention.sliding_window").Integer(), 7);
  EXPECT_EQ(ValueOf(source->metadata, "gemma3.attention.sliding_window_pattern").Integer(), 2);
  config["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_THAT(MessageOf(config, tensors), HasSubstr("layer_types"));
}

TEST(HfToGguf, SharedExpertOfQwen2Moe) {
  json config = MixtralConfig();
  config["model_type"] = "qwen2_moe";
  config["num_experts"] = 2;
  TensorTable tensors;
  Put(tensors, "model.embed_tokens.weight", {5, 8});
  Put(tensors, "model.layers.0.mlp.shared_expert_gate.weight", {1, 8});
  Put(tensors, "model.layers.0.post_attention_layernorm.weight", {8});
  auto source = HfToGguf(config, tensors, "config.json");
  ASSERT_TRUE(source.ok()) << source.status().message();
  const auto by_name = ByName(*source);
  EXPECT_EQ(by_name.at("blk.0.ffn_gate_inp_shexp.weight").shape, (Shape{8}));
  EXPECT_EQ(by_name.at("blk.0.ffn_norm.weight").offset, 0);
  EXPECT_EQ(ValueOf(source->metadata, "qwen2moe.expert_weights_norm").Bool(), false);
  config["decoder_sparse_step"] = 2;
  EXPECT_THAT(MessageOf(config, tensors), HasSubstr("decoder_sparse_step"));
  config["decoder_sparse_step"] = 1;
  config["mlp_only_layers"] = {0};
  EXPECT_THAT(MessageOf(config, tensors), HasSubstr("mlp_only_layers"));
}

}  // namespace
}  // namespace moiety
