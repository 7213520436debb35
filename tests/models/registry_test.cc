// Which architectures there are, and what happens to the others.
#include <gmock/gmock.h>

#include "models/model.h"
#include "moiety/moiety.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

Status LoadStatus(const json& config) {
  const ScratchFolder folder;
  TinyModel model(TinyMixtralConfig());
  model.config() = config;
  model.Write(folder.path());
  return LanguageModel::Load(folder.path()).status();
}

TEST(Registry, ListsTheArchitectures) {
  EXPECT_THAT(ModelTypes(),
              UnorderedElementsAre("gemma3", "gemma3_text", "llama", "mistral", "mixtral", "moiety",
                                   "olmoe", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe"));
}

TEST(Registry, BuildsEach) {
  for (const std::string_view type : ModelTypes()) {
    const ScratchFolder folder;
    TinyModel(TinyConfig(type)).Write(folder.path());
    const auto model = LanguageModel::Load(folder.path());
    ASSERT_TRUE(model.ok()) << type << ": " << model.status().message();
    EXPECT_EQ(model->info().architecture, type);
  }
}

TEST(Registry, UnknownTypeNamesTheKnownOnes) {
  json config = TinyMixtralConfig();
  config["model_type"] = "gearbox_moe";
  const Status status = LoadStatus(config);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("config.json"), HasSubstr("gearbox_moe"),
                                      HasSubstr("llama"), HasSubstr("qwen3")));
}

TEST(Registry, TypeMustBeAName) {
  json config = TinyMixtralConfig();
  config.erase("model_type");
  EXPECT_EQ(LoadStatus(config).code(), StatusCode::kInvalidData);
  config["model_type"] = 1;
  EXPECT_EQ(LoadStatus(config).code(), StatusCode::kInvalidData);
  config["model_type"] = "Mixtral";  // names are exact
  EXPECT_EQ(LoadStatus(config).code(), StatusCode::kUnsupported);
}

TEST(Registry, QuantizedFoldersAreRefused) {
  json config = TinyMixtralConfig();
  config["quantization_config"] = {{"quant_method", "gptq"}};
  const Status status = LoadStatus(config);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("quantization_config"));
  config["quantization_config"] = nullptr;  // as some configs write "not quantized"
  EXPECT_TRUE(LoadStatus(config).ok());
}

}  // namespace
}  // namespace moiety
