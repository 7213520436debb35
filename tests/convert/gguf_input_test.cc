#include "convert/gguf_input.h"

#include <gmock/gmock.h>

#include <string>

#include "support/paths.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(GgufInput, AFolderWithItsTokenizer) {
  const auto input = OpenGgufInput(Starter());
  ASSERT_TRUE(input.ok()) << input.status().message();
  EXPECT_EQ(input->tensors.size(), 3U + 4 * (2 + 4 + 1 + 3));
  EXPECT_EQ(input->files.size(), 1U);
  for (const char* key : {"general.architecture", "general.name", "llama.expert_count",
                          "tokenizer.ggml.tokens", "tokenizer.ggml.scores"}) {
    EXPECT_TRUE(input->metadata.Contains(key)) << key;
  }
  EXPECT_THAT(input->notes, IsEmpty());
}

TEST(GgufInput, AFolderWithoutATokenizerSaysSo) {
  const ScratchFolder folder;
  TinyModel(TinyLlamaConfig()).Write(folder.path());
  std::filesystem::remove(folder.path() / "tokenizer.json");
  const auto input = OpenGgufInput(folder.path());
  ASSERT_TRUE(input.ok()) << input.status().message();
  EXPECT_FALSE(input->metadata.Contains("tokenizer.ggml.model"));
  EXPECT_THAT(input->notes, ElementsAre(HasSubstr("the file has no tokenizer")));
}

TEST(GgufInput, AChatTemplateOfItsOwnFile) {
  const ScratchFolder folder;
  TinyModel(TinyMixtralConfig()).Write(folder.path());
  folder.Write("chat_template.jinja", "{{ messages }}");
  const auto input = OpenGgufInput(folder.path());
  ASSERT_TRUE(input.ok()) << input.status().message();
  EXPECT_TRUE(input->metadata.Contains("tokenizer.chat_template"));
}

TEST(GgufInput, AFileOfAnyArchitecture) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const auto input = OpenGgufInput(SharedPath("conformance/gguf/deepseek2_q5_k_m/model.gguf"));
  ASSERT_TRUE(input.ok()) << input.status().message();
  EXPECT_EQ(input->tensors.size(), 34U);
  EXPECT_EQ(input->metadata.pairs().size(), 41U);
  for (const auto& tensor : input->tensors) {
    EXPECT_EQ(tensor.pieces.size(), 1U);
    EXPECT_EQ(tensor.interleaved_heads, 0);
  }
}

TEST(GgufInput, WhatIsNoModel) {
  const ScratchFolder folder;
  EXPECT_FALSE(OpenGgufInput(folder.path()).ok());
  EXPECT_EQ(OpenGgufInput(folder.path() / "none").status().code(), StatusCode::kNotFound);
  EXPECT_THAT(OpenGgufInput(folder.Write("x", "text")).status().message(),
              HasSubstr("not a GGUF file"));
  TinyModel(TinyLlamaConfig()).Write(folder.path());
  folder.Write("tokenizer.json", "{");
  EXPECT_THAT(OpenGgufInput(folder.path()).status().message(), HasSubstr("tokenizer.json"));
}

}  // namespace
}  // namespace moiety
