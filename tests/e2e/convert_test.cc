// moiety convert.
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "format/gguf_model.h"
#include "io/mapped_file.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Convert, ThereAndBack) {
  const ScratchFolder folder;
  const std::string file = (folder.path() / "x.gguf").string();
  const std::string back = (folder.path() / "back").string();
  ProcessResult result = Moiety({"convert", Starter().string(), file});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("x.gguf: BF16, 9.05 M parameters"));  // as the model is
  result = Moiety({"convert", file, back});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("back/config.json\n"));
  EXPECT_EQ(*ReadFile(std::filesystem::path(back) / "model.safetensors", 1 << 28),
            *ReadFile(Starter() / "model.safetensors", 1 << 28));

  const std::string text = "Once upon a time,  there was\n\na café.";
  const ProcessResult ids = Moiety({"tokenize", Starter().string(), text, "--ids"});
  EXPECT_EQ(ids.exit_code, 0) << ids.err;
  EXPECT_EQ(Moiety({"tokenize", back, text, "--ids"}).out, ids.out);
  const std::vector<std::string> rest = {"-p", "Once upon a time", "-n", "16", "--greedy"};
  const auto run = [&](const std::string& model) {
    std::vector<std::string> arguments = {"run", model};
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    return Moiety(arguments);
  };
  EXPECT_EQ(run(back).out, run(Starter().string()).out);
}

TEST(Convert, TypesAndJson) {
  const ScratchFolder folder;
  const std::string file = (folder.path() / "x.gguf").string();
  ProcessResult result = Moiety({"convert", Starter().string(), file, "--type", "f16", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out)["type"], "F16");
  EXPECT_EQ(OpenGgufModel(file)->header.tensors.at("output.weight").dtype, DType::kF16);
  result = Moiety({"convert", file, (folder.path() / "back").string(), "--dtype", "F32", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  EXPECT_EQ(report["type"], "F32");
  EXPECT_EQ(report["files"].size(), 5U);
}

TEST(Convert, ModelsOfTheConformanceSet) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const ScratchFolder folder;
  for (const char* model : {"mixtral", "mixtral_swa", "llama_dense", "mistral_dense", "olmoe",
                            "qwen2_moe", "qwen3_moe"}) {
    SCOPED_TRACE(model);
    const std::string source = SharedPath(std::string("conformance/models/") + model).string();
    const std::string file = (folder.path() / model).string() + ".gguf";
    const std::string back = (folder.path() / model).string();
    ProcessResult result = Moiety({"convert", source, file});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    result = Moiety({"convert", file, back, "--dtype", "F32"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const json a = json::parse(*ReadFile(std::filesystem::path(source) / "config.json", 1 << 20));
    const json b = json::parse(*ReadFile(std::filesystem::path(back) / "config.json", 1 << 20));
    for (const char* field : {"model_type", "hidden_size", "num_hidden_layers"}) {
      EXPECT_EQ(b[field], a[field]) << field;
    }
    // One that the model does not use is not written.
    const json window =
        a.value("use_sliding_window", true) ? a.value("sliding_window", json()) : json();
    EXPECT_EQ(b["sliding_window"], window);
    const auto weights = [](const std::string& path) {
      return *ReadFile(std::filesystem::path(path) / "model.safetensors", 1 << 28);
    };
    EXPECT_EQ(weights(back).size() / 1000, weights(source).size() / 1000);
  }
}

TEST(Convert, Errors) {
  const ScratchFolder folder;
  const std::string starter = Starter().string();
  ProcessResult result = Moiety({"convert", starter, (folder.path() / "out").string()});
  ExpectError(result, 1);  // a folder to a folder
  result = Moiety({"convert", starter, (folder.path() / "x.gguf").string(), "--type", "Q8_0"});
  ExpectError(result, 2);
  ASSERT_EQ(Moiety({"convert", starter, (folder.path() / "x.gguf").string()}).exit_code, 0);
  folder.Write("y", "");
  result = Moiety({"convert", (folder.path() / "x.gguf").string(), folder.path().string()});
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("expected a new or an empty folder"));
}

}  // namespace
}  // namespace moiety
