#include "format/gguf_model.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "format/config_reader.h"
#include "io/mapped_file.h"
#include "models/model.h"
#include "store/weight_store.h"
#include "support/gguf_bytes.h"
#include "support/paths.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json ReadJson(const std::filesystem::path& path) { return json::parse(*ReadFile(path, 1 << 20)); }

// What the Hugging Face config of the same model says, key by key.
TEST(GgufModel, ConfigIsThatOfTheSameModel) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  struct Case {
    const char* name;
    size_t num_fields;
    bool interleaved;
    int32_t eos;
  };
  for (const Case& one :
       {Case{"mixtral_q4_k_m", 15, true, 2}, Case{"qwen3moe_q3_k_m", 18, false, 762}}) {
    const auto folder = SharedPath("conformance/gguf") / one.name;
    const Result<GgufModel> model = OpenGgufModel(folder / "model.gguf");
    ASSERT_TRUE(model.ok()) << model.status().message();
    const json expected = ReadJson(folder / "hf_config.json");
    const std::set<std::string> ours = {"rope_interleave"};
    for (const auto& [key, value] : model->config->items()) {
      if (ours.contains(key)) continue;
      ASSERT_TRUE(expected.contains(key)) << key;
      if (value.is_number_float()) {
        EXPECT_EQ(value.get<float>(), expected[key].get<float>()) << key;
      } else {
        EXPECT_EQ(value, expected[key]) << key;
      }
    }
    EXPECT_EQ(model->config->size(), one.num_fields);
    EXPECT_EQ((*model->config)["rope_interleave"], one.interleaved);
    EXPECT_EQ(model->generation.bos_token_id, expected["bos_token_id"].get<int32_t>());
    EXPECT_THAT(model->generation.eos_token_ids, ElementsAre(one.eos));
    for (const auto& [name, info] : model->tensors.tensors) {
      EXPECT_FALSE(name.starts_with("blk.")) << name;
    }
  }
}

TEST(GgufModel, ExpertsAreCutFromTheirStack) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const auto path = SharedPath("conformance/gguf/mixtral_q4_k_m/model.gguf");
  const Result<GgufModel> model = OpenGgufModel(path);
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto& tensors = model->tensors.tensors;
  // 3 of the model, and 7 + 3 × 8 of each layer: none has kept its own name.
  EXPECT_EQ(tensors.size(), 3U + 2 * (7 + 3 * 8));
  for (const auto& [name, info] : tensors) EXPECT_FALSE(name.starts_with("blk.")) << name;
  const TensorInfo& stack = model->header.tensors.at("blk.1.ffn_down_exps.weight");
  for (int e = 0; e < 8; ++e) {
    const auto& info =
        tensors.at("model.layers.1.block_sparse_moe.experts." + std::to_string(e) + ".w2.weight");
    EXPECT_EQ(info.dtype, DType::kQ6_K);
    EXPECT_EQ(info.shape, (Shape{256, 256}));
    EXPECT_EQ(info.size_bytes, 53760U);
    EXPECT_EQ(info.offset, stack.offset + static_cast<uint64_t>(e) * 53760U);
  }
  EXPECT_EQ(tensors.at("model.layers.0.self_attn.k_proj.weight").dtype, DType::kQ8_0);
  EXPECT_EQ(tensors.at("model.layers.0.block_sparse_moe.gate.weight").shape, (Shape{8, 256}));
  EXPECT_TRUE(tensors.contains("lm_head.weight"));
}

TEST(GgufModel, MetadataThatCannotBe) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const auto folder = SharedPath("conformance/malformed");
  const auto message = [&](const char* name) {
    const Result<GgufModel> model = OpenGgufModel(folder / name / "model.gguf");
    return std::string(model.ok() ? "ok" : model.status().message());
  };
  EXPECT_EQ(message("ok_gguf"), "ok");
  EXPECT_EQ(message("ok_gguf_unknown_keys"), "ok");
  EXPECT_THAT(message("gguf_no_architecture"), HasSubstr("general.architecture is missing"));
  EXPECT_THAT(message("gguf_architecture_unknown"), HasSubstr("is \"gearbox\", which is not one"));
  EXPECT_THAT(message("gguf_no_block_count"), HasSubstr("llama.block_count is missing"));
  EXPECT_THAT(message("gguf_block_count_string"),
              HasSubstr("llama.block_count: expected an integer, found string"));
}

// The metadata of a model without layers to speak of.
GgufBytes TinyMetadata(uint64_t num_tensors, uint64_t more_pairs) {
  GgufBytes file = GgufHead(num_tensors, 8 + more_pairs);
  file.String("general.architecture").Add<uint32_t>(8).String("llama");
  for (const char* key : {"block_count", "context_length", "embedding_length",
                          "feed_forward_length", "attention.head_count", "vocab_size"}) {
    file.String(std::string("llama.") + key).Add<uint32_t>(4).Add<uint32_t>(8);
  }
  return file.String("llama.attention.layer_norm_rms_epsilon").Add<uint32_t>(6).Add<float>(1e-5F);
}

void WriteFile(const std::filesystem::path& path, const GgufBytes& bytes) {
  std::ofstream(path, std::ios::binary) << bytes.text();
}

TEST(GgufModel, SplitFilesAreOne) {
  const ScratchFolder scratch;
  const auto first = scratch.path() / "m-00001-of-00002.gguf";
  const auto second = scratch.path() / "m-00002-of-00002.gguf";
  GgufBytes part = TinyMetadata(1, 1);
  part.String("split.count").Add<uint32_t>(2).Add<uint16_t>(2);
  WriteFile(first, AddTensor(part, "token_embd.weight", {8, 8}, 0, 0).AlignTo(32).Zeros(256));
  EXPECT_THAT(std::string(OpenGgufModel(first).status().message()),
              HasSubstr("m-00002-of-00002.gguf"));
  GgufBytes rest = GgufHead(1, 0);
  WriteFile(second, AddTensor(rest, "blk.7.attn_q.weight", {8, 8}, 1, 0).AlignTo(32).Zeros(128));
  const Result<GgufModel> model = OpenGgufModel(first);
  ASSERT_TRUE(model.ok()) << model.status().message();
  ASSERT_EQ(model->tensors.files.size(), 2U);
  EXPECT_EQ(model->tensors.tensors.at("model.embed_tokens.weight").file, 0);
  EXPECT_EQ(model->tensors.tensors.at("model.layers.7.self_attn.q_proj.weight").file, 1);
  EXPECT_TRUE((*model->config)["tie_word_embeddings"].get<bool>());

  EXPECT_THAT(std::string(OpenGgufModel(second).status().message()),
              HasSubstr("general.architecture is missing"));
  std::filesystem::copy_file(first, scratch.path() / "m.gguf");
  EXPECT_THAT(std::string(OpenGgufModel(scratch.path() / "m.gguf").status().message()),
              HasSubstr("expected the first, whose name ends with -00001-of-00002.gguf"));
  GgufBytes again = GgufHead(1, 0);
  WriteFile(second, AddTensor(again, "token_embd.weight", {8, 8}, 0, 0).AlignTo(32).Zeros(256));
  EXPECT_THAT(std::string(OpenGgufModel(first).status().message()),
              HasSubstr("tensor \"token_embd.weight\" is in an earlier part as well"));
}

// A model of two layers in the names and keys of llama.cpp. Its tensors are f32 and all 0.
class TinyGguf {
 public:
  using Dims = std::vector<uint64_t>;

  explicit TinyGguf(std::string architecture) : architecture_(std::move(architecture)) {
    Text("general.architecture", architecture_);
    for (const auto& [key, value] : std::map<std::string, uint32_t>{{"block_count", 2},
                                                                    {"context_length", 64},
                                                                    {"embedding_length", 16},
                                                                    {"feed_forward_length", 12},
                                                                    {"attention.head_count", 4},
                                                                    {"attention.head_count_kv", 2},
                                                                    {"vocab_size", 20}}) {
      Integer(key, value);
    }
    Number("attention.layer_norm_rms_epsilon", 1e-6F);
    Tensor("token_embd.weight", {16, 20});
    Tensor("output_norm.weight", {16});
    Layers({{"attn_norm.weight", {16}},
            {"attn_q.weight", {16, 16}},
            {"attn_k.weight", {16, 8}},
            {"attn_v.weight", {16, 8}},
            {"attn_output.weight", {16, 16}},
            {"ffn_norm.weight", {16}}});
  }

  void Integer(const std::string& key, uint32_t value) {
    pairs_.String(architecture_ + "." + key).Add<uint32_t>(4).Add<uint32_t>(value);
    ++num_pairs_;
  }
  void Number(const std::string& key, float value) {
    pairs_.String(architecture_ + "." + key).Add<uint32_t>(6).Add<float>(value);
    ++num_pairs_;
  }
  void Bool(const std::string& key, bool value) {
    pairs_.String(architecture_ + "." + key).Add<uint32_t>(7).Add<uint8_t>(value ? 1 : 0);
    ++num_pairs_;
  }
  void Text(const std::string& key, const std::string& value) {
    pairs_.String(key).Add<uint32_t>(8).String(value);
    ++num_pairs_;
  }
  // Dimensions as the file has them: the innermost first.
  void Tensor(const std::string& name, const Dims& dims) {
    tensors_.String(name).Add<uint32_t>(static_cast<uint32_t>(dims.size()));
    uint64_t bytes = 4;
    for (const uint64_t dim : dims) {
      tensors_.Add(dim);
      bytes *= dim;
    }
    tensors_.Add<uint32_t>(0).Add<uint64_t>(data_bytes_);
    data_bytes_ += (bytes + 31) / 32 * 32;
    ++num_tensors_;
  }
  void Layers(const std::vector<std::pair<std::string, Dims>>& tensors) {
    for (const char* layer : {"0", "1"}) {
      for (const auto& [name, dims] : tensors)
        Tensor(std::string("blk.") + layer + "." + name, dims);
    }
  }
  // 3 experts of width 6, 2 per token.
  void Experts() {
    Integer("expert_count", 3);
    Integer("expert_used_count", 2);
    Layers({{"ffn_gate_inp.weight", {16, 3}},
            {"ffn_gate_exps.weight", {16, 6, 3}},
            {"ffn_up_exps.weight", {16, 6, 3}},
            {"ffn_down_exps.weight", {6, 16, 3}}});
  }

  Result<GgufModel> Open() const {
    const ScratchFolder scratch;  // mapped files outlive their names
    const auto path = scratch.path() / "model.gguf";
    WriteFile(path, GgufHead(num_tensors_, num_pairs_)
                        .Raw(pairs_.text())
                        .Raw(tensors_.text())
                        .AlignTo(32)
                        .Zeros(data_bytes_));
    return OpenGgufModel(path);
  }
  std::string Error() const { return std::string(Open().status().message()); }

  // The config; the model that it describes must have just these tensors. Null after a failure.
  json ConfigOfItsModel() const {
    Result<GgufModel> model = Open();
    EXPECT_TRUE(model.ok()) << model.status().message();
    if (!model.ok()) return nullptr;
    MemoryBudget budget;
    WeightStore store(std::move(model->tensors), "model.gguf", Residency::kMapped, budget);
    ConfigReader reader(*model->config, "model.gguf");
    const auto built = BuildModel(reader, store);
    EXPECT_TRUE(built.ok()) << built.status().message();
    EXPECT_THAT(store.Unused(), ElementsAre());
    return *model->config;
  }

 private:
  std::string architecture_;
  GgufBytes pairs_;
  GgufBytes tensors_;
  uint64_t num_pairs_ = 0;
  uint64_t num_tensors_ = 0;
  uint64_t data_bytes_ = 0;
};

TinyGguf TinyQwen2Moe() {
  TinyGguf file("qwen2moe");
  file.Experts();
  file.Integer("expert_feed_forward_length", 6);
  file.Integer("expert_shared_feed_forward_length", 10);
  file.Layers({{"attn_q.bias", {16}},
               {"attn_k.bias", {8}},
               {"attn_v.bias", {8}},
               {"ffn_gate_shexp.weight", {16, 10}},
               {"ffn_up_shexp.weight", {16, 10}},
               {"ffn_down_shexp.weight", {10, 16}}});
  file.Tensor("output.weight", {16, 20});
  return file;
}

TEST(GgufModel, Qwen2Moe) {
  TinyGguf file = TinyQwen2Moe();
  // Written as a vector, or as the matrix that it is.
  file.Tensor("blk.0.ffn_gate_inp_shexp.weight", {16});
  file.Tensor("blk.1.ffn_gate_inp_shexp.weight", {16, 1});
  const json config = file.ConfigOfItsModel();
  EXPECT_EQ(config["model_type"], "qwen2_moe");
  EXPECT_EQ(config["intermediate_size"], 12);
  EXPECT_EQ(config["shared_expert_intermediate_size"], 10);
  EXPECT_EQ(config["norm_topk_prob"], false);
  EXPECT_EQ(config["tie_word_embeddings"], false);
  EXPECT_EQ(config["rope_interleave"], false);
}

TEST(GgufModel, Qwen3Moe) {
  TinyGguf file("qwen3moe");
  file.Experts();
  file.Integer("expert_feed_forward_length", 6);
  file.Integer("attention.key_length", 4);
  file.Layers({{"attn_q_norm.weight", {4}}, {"attn_k_norm.weight", {4}}});
  const json config = file.ConfigOfItsModel();
  EXPECT_EQ(config["model_type"], "qwen3_moe");
  EXPECT_EQ(config["num_experts"], 3);
  EXPECT_EQ(config["norm_topk_prob"], true);
  EXPECT_EQ(config["tie_word_embeddings"], true);
}

TEST(GgufModel, Olmoe) {
  TinyGguf file("olmoe");
  file.Integer("expert_count", 3);
  file.Integer("expert_used_count", 2);
  file.Number("attention.clamp_kqv", 8);
  file.Bool("expert_weights_norm", true);
  file.Layers({{"attn_q_norm.weight", {16}},
               {"attn_k_norm.weight", {8}},
               {"ffn_gate_inp.weight", {16, 3}},
               {"ffn_gate_exps.weight", {16, 12, 3}},
               {"ffn_up_exps.weight", {16, 12, 3}},
               {"ffn_down_exps.weight", {12, 16, 3}}});
  const json config = file.ConfigOfItsModel();
  EXPECT_EQ(config["model_type"], "olmoe");
  EXPECT_EQ(config["clip_qkv"], 8);
  EXPECT_EQ(config["norm_topk_prob"], true);
}

TinyGguf TinyGemma3() {
  TinyGguf file("gemma3");
  file.Integer("attention.key_length", 4);
  file.Integer("attention.sliding_window", 5);
  file.Layers({{"attn_q_norm.weight", {4}},
               {"attn_k_norm.weight", {4}},
               {"post_attention_norm.weight", {16}},
               {"post_ffw_norm.weight", {16}},
               {"ffn_gate.weight", {16, 12}},
               {"ffn_up.weight", {16, 12}},
               {"ffn_down.weight", {12, 16}}});
  return file;
}

TEST(GgufModel, Gemma3) {
  TinyGguf file = TinyGemma3();
  json config = file.ConfigOfItsModel();
  EXPECT_EQ(config["model_type"], "gemma3_text");
  EXPECT_EQ(config["query_pre_attn_scalar"], 4);
  EXPECT_EQ(config["norm_gains_are_whole"], true);
  EXPECT_EQ(config["sliding_window"], 5);
  EXPECT_FALSE(config.contains("final_logit_softcapping"));
  file.Number("attention.scale", 0.25F);
  file.Number("final_logit_softcapping", 30);
  file.Number("rope.freq_base_swa", 5000);
  file.Integer("attention.sliding_window_pattern", 2);
  config = file.ConfigOfItsModel();
  EXPECT_EQ(config["query_pre_attn_scalar"], 16);
  EXPECT_EQ(config["final_logit_softcapping"], 30);
  EXPECT_EQ(config["rope_local_base_freq"], 5000);
  EXPECT_EQ(config["sliding_window_pattern"], 2);

  TinyGguf broken = TinyGemma3();
  broken.Number("attention.scale", 0);
  EXPECT_THAT(broken.Error(), HasSubstr("gemma3.attention.scale must be above 0, found 0"));
}

// Its head's width is 128, but scores are divided by the root of 168: files do not say so.
TEST(GgufModel, Gemma3Of27B) {
  GgufBytes file = GgufHead(0, 9);
  file.String("general.architecture").Add<uint32_t>(8).String("gemma3");
  for (const auto& [key, value] : std::map<std::string, uint32_t>{{"block_count", 62},
                                                                  {"context_length", 131072},
                                                                  {"embedding_length", 5376},
                                                                  {"feed_forward_length", 21504},
                                                                  {"attention.head_count", 32},
                                                                  {"attention.key_length", 128},
                                                                  {"vocab_size", 262144}}) {
    file.String("gemma3." + key).Add<uint32_t>(4).Add<uint32_t>(value);
  }
  file.String("gemma3.attention.layer_norm_rms_epsilon").Add<uint32_t>(6).Add<float>(1e-6F);
  const ScratchFolder scratch;
  WriteFile(scratch.path() / "m.gguf", file.AlignTo(32));
  const Result<GgufModel> model = OpenGgufModel(scratch.path() / "m.gguf");
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ((*model->config)["query_pre_attn_scalar"], 168);
}

TEST(GgufModel, RoutingThatIsNotSupported) {
  TinyGguf sigmoid = TinyQwen2Moe();
  sigmoid.Integer("expert_gating_func", 2);
  EXPECT_THAT(sigmoid.Error(),
              HasSubstr("qwen2moe.expert_gating_func is 2: only softmax, 1, is supported"));
  TinyGguf scaled = TinyQwen2Moe();
  scaled.Number("expert_weights_scale", 2.5F);
  EXPECT_THAT(scaled.Error(),
              HasSubstr("qwen2moe.expert_weights_scale is 2.5: only 1 is supported"));
  TinyGguf plain = TinyQwen2Moe();
  plain.Integer("expert_gating_func", 1);
  plain.Number("expert_weights_scale", 0);
  EXPECT_TRUE(plain.Open().ok()) << plain.Error();
  EXPECT_THAT(TinyGguf("olmoe").Error(),
              HasSubstr("olmoe.expert_count is 0: olmoe without experts is not supported"));
  TinyGguf experts = TinyGemma3();
  experts.Experts();
  EXPECT_THAT(experts.Error(),
              HasSubstr("gemma3.expert_count is 3: gemma3 with experts is not supported"));
  TinyGguf text = TinyQwen2Moe();
  text.Integer("expert_weights_norm", 1);
  EXPECT_THAT(text.Error(), HasSubstr("expert_weights_norm: expected true or false, found"));
}

}  // namespace
}  // namespace moiety
