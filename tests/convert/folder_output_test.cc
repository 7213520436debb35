#include "convert/folder_output.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "format/hf_folder.h"
#include "io/mapped_file.h"
#include "support/paths.h"
#include "support/scratch_folder.h"
#include "support/tensor_file.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using testing::HasSubstr;

std::filesystem::path ToGguf(const std::filesystem::path& model, const std::filesystem::path& out,
                             const char* type) {
  const auto input = OpenGgufInput(model);
  EXPECT_TRUE(input.ok()) << input.status().message();
  const auto types = ChooseTypes(*FindTypeMix(type), {}, input->tensors);
  ThreadPool pool(2);
  const auto report = WriteGguf(out, *input, *FindTypeMix(type), *types, {}, pool);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return out;
}

Result<FolderReport> ToFolder(const std::filesystem::path& file, const std::filesystem::path& dir,
                              const FolderOutputOptions& options = {}) {
  MOIETY_ASSIGN_OR_RETURN(const GgufModel model, OpenGgufModel(file));
  ThreadPool pool(2);
  return WriteFolder(dir, model, options, pool);
}

// To a file and back: the same weights bit for bit, in the same order of rows.
TEST(FolderOutput, ThereAndBack) {
  const ScratchFolder folder;
  const auto file = ToGguf(Starter(), folder.path() / "x.gguf", "BF16");
  const auto back = folder.path() / "back";
  const auto report = ToFolder(file, back);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(*ReadFile(back / "model.safetensors", 1 << 28),
            *ReadFile(Starter() / "model.safetensors", 1 << 28));
  const auto a = OpenHfFolder(Starter());
  const auto b = OpenHfFolder(back);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(b->generation.eos_token_ids, a->generation.eos_token_ids);
  EXPECT_EQ(b->generation.bos_token_id, a->generation.bos_token_id);
  for (const char* field : {"model_type", "hidden_size", "num_local_experts", "vocab_size",
                            "num_key_value_heads", "dtype", "sliding_window"}) {
    EXPECT_EQ((*b->config)[field], (*a->config)[field]) << field;
  }
  EXPECT_FALSE(b->config->contains("rope_interleave"));
}

TEST(FolderOutput, BiasesChangePlacesToo) {
  nlohmann::json config = TinyLlamaConfig();
  config["attention_bias"] = true;
  TinyModel tiny(config);
  for (const char* layer : {"0", "1"}) {
    const std::string prefix = std::string("model.layers.") + layer + ".self_attn.";
    const int64_t width = config["hidden_size"];
    const int64_t heads = config["num_attention_heads"];
    const int64_t keys = config.value("num_key_value_heads", heads) * (width / heads);
    tiny.Set(prefix + "q_proj.bias", {width});
    tiny.Set(prefix + "k_proj.bias", {keys});
    tiny.Set(prefix + "v_proj.bias", {keys});
    tiny.Set(prefix + "o_proj.bias", {width});
  }
  const ScratchFolder folder;
  std::filesystem::create_directory(folder.path() / "model");
  tiny.Write(folder.path() / "model");
  const auto file = ToGguf(folder.path() / "model", folder.path() / "x.gguf", "F32");
  FolderOutputOptions options;
  options.dtype = DType::kF32;
  ASSERT_EQ(ToFolder(file, folder.path() / "back", options).status().message(), "");
  const TensorFile before(folder.path() / "model/model.safetensors");
  const TensorFile after(folder.path() / "back/model.safetensors");
  EXPECT_EQ(after.size(), before.size());
  const auto source = OpenHfFolder(folder.path() / "model");
  ASSERT_TRUE(source.ok());
  for (const auto& [name, info] : source->tensors.tensors) {
    EXPECT_EQ(after.Floats(name), before.Floats(name)) << name;
  }
  EXPECT_EQ((*OpenHfFolder(folder.path() / "back")->config)["attention_bias"], true);
}

TEST(FolderOutput, Shards) {
  const ScratchFolder folder;
  const auto file = ToGguf(Starter(), folder.path() / "x.gguf", "Q8_0");
  FolderOutputOptions options;
  options.dtype = DType::kF16;
  options.shard_max_bytes = 5'000'000;
  const auto report = ToFolder(file, folder.path() / "back", options);
  ASSERT_TRUE(report.ok()) << report.status().message();
  const auto back = OpenHfFolder(folder.path() / "back");
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_GT(back->tensors.files.size(), 3U);
  EXPECT_EQ(back->tensors.tensors.size(), OpenHfFolder(Starter())->tensors.tensors.size());
  for (const auto& [name, info] : back->tensors.tensors) EXPECT_EQ(info.dtype, DType::kF16) << name;
}

TEST(FolderOutput, NothingIsReplacedAndNothingLeft) {
  const ScratchFolder folder;
  const auto file = ToGguf(Starter(), folder.path() / "x.gguf", "F16");
  std::filesystem::create_directory(folder.path() / "full");
  folder.Write("full/x", "");
  EXPECT_THAT(ToFolder(file, folder.path() / "full").status().message(),
              HasSubstr("expected a new or an empty folder"));
  std::filesystem::create_directory(folder.path() / "empty");
  FolderOutputOptions options;
  options.dtype = DType::kQ8_0;
  EXPECT_THAT(ToFolder(file, folder.path() / "empty", options).status().message(),
              HasSubstr("found Q8_0"));
  EXPECT_TRUE(ToFolder(file, folder.path() / "empty").ok());
  ThreadPool pool(1);
  const auto model = OpenGgufModel(file);
  const auto report =
      WriteFolder(folder.path() / "no", *model, {}, pool, [](uint64_t, uint64_t) { return false; });
  EXPECT_EQ(report.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(folder.List(), testing::ElementsAre("empty", "full", "x.gguf"));
}

}  // namespace
}  // namespace moiety
