#include "format/gguf_model.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "io/mapped_file.h"
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
TEST(GgufModel, ConfigOfAMixtral) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const auto folder = SharedPath("conformance/gguf/mixtral_q4_k_m");
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
  EXPECT_EQ(model->config->size(), 15U);
  EXPECT_TRUE((*model->config)["rope_interleave"].get<bool>());
  EXPECT_EQ(model->generation.bos_token_id, 1);
  EXPECT_THAT(model->generation.eos_token_ids, ElementsAre(2));
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

}  // namespace
}  // namespace moiety
