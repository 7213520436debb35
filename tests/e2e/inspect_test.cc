// moiety inspect.
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>

#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json InspectJson(const std::filesystem::path& model) {
  const ProcessResult result = Moiety({"inspect", model.string(), "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

TEST(Inspect, JsonOfAMixtureOfExperts) {
  const std::filesystem::path model = SourcePath("tests/data/models/mixtral_tiny");
  json found = InspectJson(model);
  // By hand from config.json: d 32, vocabulary 256, 4 heads of 8 over 2, 5 experts of 24, 2 layers.
  constexpr int kAttention = 2 * (32 * 32 + 16 * 32 + 16 * 32 + 32 * 32);
  constexpr int kExperts = 2 * 5 * 3 * 24 * 32;
  constexpr int kOther = 2 * (2 * 32 + 5 * 32) + 32 + 2 * 256 * 32;
  constexpr int kParameters = kAttention + kExperts + kOther;
  EXPECT_EQ(found["tensors"].size(), 3U + 2 * (2 + 4 + 1 + 5 * 3));
  EXPECT_EQ(found["tensors"][0],
            json::parse(R"({"name": "lm_head.weight", "dtype": "F16", "shape": [256, 32],
                                                  "bytes": 16384})"));
  EXPECT_EQ(found["parts"]["experts"], json({{"parameters", kExperts}, {"bytes", 2 * kExperts}}));
  EXPECT_EQ(found["parts"]["attention"],
            json({{"parameters", kAttention}, {"bytes", 2 * kAttention}}));
  EXPECT_EQ(found["parts"]["router"], json({{"parameters", 320}, {"bytes", 640}}));
  EXPECT_EQ(found["parts"]["norms"], json({{"parameters", 160}, {"bytes", 320}}));
  EXPECT_EQ(found["parts"]["head"], json({{"parameters", 8192}, {"bytes", 16384}}));
  EXPECT_EQ(found["parts"]["embedding"], found["parts"]["head"]);
  EXPECT_EQ(found["parts"].size(), 6U);
  found.erase("tensors");
  found.erase("parts");
  const json expected = {{"model", model.string()},
                         {"architecture", "mixtral"},
                         {"parameters", kParameters},
                         {"active_parameters", kParameters - kExperts / 5 * 3},
                         {"vocab_size", 256},
                         {"d_model", 32},
                         {"num_layers", 2},
                         {"num_heads", 4},
                         {"num_kv_heads", 2},
                         {"head_dim", 8},
                         {"context_length", 256},
                         {"sliding_window", 0},
                         {"num_experts", 5},
                         {"top_k", 2},
                         {"num_moe_layers", 2},
                         {"d_expert", 24},
                         {"router", "topk"},
                         {"tokenizer", "none"},
                         {"weight_bytes", 2 * kParameters},
                         {"kv_bytes_per_token", 2 * 2 * 2 * 8 * 4},
                         {"tokenizer", "none"},
                         {"unused_tensors", json::array()}};
  EXPECT_EQ(found, expected);
}

TEST(Inspect, JsonOfADenseModelWithATiedHead) {
  const json found = InspectJson(SourcePath("tests/data/models/qwen3_swa"));
  EXPECT_EQ(found["architecture"], "qwen3");
  EXPECT_EQ(found["num_experts"], 0);
  EXPECT_EQ(found["d_feed_forward"], 48);
  EXPECT_FALSE(found.contains("d_expert"));
  EXPECT_EQ(found["router"], "");
  EXPECT_EQ(found["sliding_window"], 12);
  EXPECT_EQ(found["head_dim"], 12);
  EXPECT_EQ(found["active_parameters"], found["parameters"]);
  EXPECT_FALSE(found["parts"].contains("head")) << "the embedding is counted once";
  EXPECT_EQ(found["weight_bytes"], 2 * found["parameters"].get<int>());
}

TEST(Inspect, TextNamesWhatMatters) {
  const ProcessResult result = Moiety({"inspect", Starter().string()});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  for (const char* part :
       {"mixtral", "9.05 M total", "8 of width 384 in each of 4 layers, 2 per token, router topk",
        "1024 tokens", "vocabulary 4096", "--tensors"}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
  EXPECT_THAT(result.out, Not(HasSubstr("q_proj")));
}

TEST(Inspect, TensorsAreListed) {
  const ProcessResult result = Moiety({"inspect", Starter().string(), "--tensors"});
  EXPECT_EQ(result.exit_code, 0);
  const json found = InspectJson(Starter());
  EXPECT_GT(found["tensors"].size(), 100U);
  for (const json& tensor : found["tensors"]) {
    EXPECT_THAT(result.out, HasSubstr("\n" + tensor["name"].get<std::string>() + " "));
  }
}

TEST(Inspect, ShardsAreOneModel) {
  const ProcessResult result =
      Moiety({"inspect", SourcePath("tests/data/models/mixtral_yarn").string()});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("tensors in 2 files"));
}

TEST(Inspect, UnusedTensorsAreReportedAndCannotSteerTheTerminal) {
  TinyModel model(TinyMixtralConfig());
  model.Set("extra\x1b[2J\n", {2, 2});
  const ScratchFolder folder;
  model.Write(folder.path());
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--tensors"}}) {
    std::vector<std::string> arguments = {"inspect", folder.path().string()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const ProcessResult result = Moiety(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("not used by the model: extra\\x1b[2J\\n\n"));
    EXPECT_EQ(result.out.find('\x1b'), std::string::npos);
  }
  EXPECT_EQ(InspectJson(folder.path())["unused_tensors"], json::parse(R"(["extra\u001b[2J\n"])"));
}

TEST(Inspect, JsonOfAFolderWhoseNameIsNotUtf8) {
  const ScratchFolder scratch;
  const std::filesystem::path folder = scratch.path() / "a\xFF";
  std::filesystem::copy(SourcePath("tests/data/models/qwen2"), folder);
  EXPECT_THAT(InspectJson(folder)["model"].get<std::string>(), testing::EndsWith("a\xEF\xBF\xBD"));
}

TEST(Inspect, TokenizerIsDescribed) {
  EXPECT_EQ(InspectJson(Starter())["tokenizer"], "4096 tokens");
  const ScratchFolder folder;
  TinyModel model(TinyMixtralConfig());
  model.Write(folder.path());
  EXPECT_EQ(InspectJson(folder.path())["tokenizer"], "262 tokens");
  folder.Write("tokenizer.json", R"({"version": "1.0", "model": {"type": "Blender"}})");
  EXPECT_THAT(InspectJson(folder.path())["tokenizer"].get<std::string>(),
              testing::StartsWith("not usable: "));
  folder.Write("tokenizer.json", "{");
  ExpectError(Moiety({"inspect", folder.path().string()}), 1);
}

TEST(Inspect, IdsBeyondTheModelsRowsAreErrors) {
  json config = TinyMixtralConfig();
  config["vocab_size"] = 261;  // one less than the tokenizer has
  const ScratchFolder folder;
  TinyModel(config).Write(folder.path());
  const ProcessResult tokenizer = Moiety({"inspect", folder.path().string()});
  ExpectError(tokenizer, 1);
  EXPECT_THAT(tokenizer.err, HasSubstr("the tokenizer has ids up to 261, the model 261 rows"));
  TinyModel model(TinyMixtralConfig());
  model.config()["eos_token_id"] = 262;
  model.Write(folder.path());
  const ProcessResult eos = Moiety({"inspect", folder.path().string()});
  ExpectError(eos, 1);
  EXPECT_THAT(eos.err, HasSubstr("eos_token_id 262 is outside the vocabulary of 262"));
}

TEST(Inspect, ValuesMustBeFiniteWhenAskedFor) {
  for (const std::string name : {"model.layers.1.block_sparse_moe.experts.2.w3.weight",
                                 "model.layers.0.input_layernorm.weight"}) {
    for (const float value : {HUGE_VALF, std::nanf("")}) {
      TinyModel model(TinyMixtralConfig());
      model.values(name)[3] = value;
      const ScratchFolder folder;
      model.Write(folder.path());
      EXPECT_EQ(Moiety({"inspect", folder.path().string()}).exit_code, 0);
      const ProcessResult result = Moiety({"inspect", folder.path().string(), "--values"});
      ExpectError(result, 1);
      EXPECT_THAT(result.err, HasSubstr("tensor " + name + ": element 3 is not a finite number"));
    }
  }
  // f32, f16 and bf16 alike.
  for (const char* model :
       {"tests/data/models/qwen2", "tests/data/models/mixtral_tiny", "tests/data/starter"}) {
    EXPECT_EQ(Moiety({"inspect", SourcePath(model).string(), "--values"}).exit_code, 0) << model;
  }
}

TEST(Inspect, Errors) {
  const ScratchFolder scratch;
  const ProcessResult missing = Moiety({"inspect", (scratch.path() / "none").string()});
  ExpectError(missing, 1);
  EXPECT_THAT(missing.err, HasSubstr("none: no such folder"));
  const ProcessResult empty = Moiety({"inspect", scratch.path().string()});
  ExpectError(empty, 1);
  EXPECT_THAT(empty.err, HasSubstr("has no config.json"));
  const ProcessResult file = Moiety({"inspect", scratch.Write("model.bin", "GGUF").string()});
  ExpectError(file, 1);
  EXPECT_THAT(file.err, HasSubstr("expected a model folder"));
  const ProcessResult cut = Moiety({"inspect", scratch.Write("model.gguf", "GGUF").string()});
  ExpectError(cut, 1);
  EXPECT_THAT(cut.err, HasSubstr("the version needs 4 bytes at byte 4"));
}

}  // namespace
}  // namespace moiety
