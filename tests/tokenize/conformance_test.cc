// The tokenizer against ids and texts of the published implementation.
#include <gtest/gtest.h>

#include "reference_cases.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::unique_ptr<const Tokenizer> LoadStarter() {
  return Load(ReadWhole(fs::path(MOIETY_SOURCE_DIR) / "tests/data/starter/tokenizer.json"));
}

class TokenizerConformance : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerConformance, EqualsTheReference) {
  const fs::path folder = SharedFolder() / "conformance/tokenizers" / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << "no ../shared";
  ExpectEqualsReference(folder);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerConformance,
                         testing::Values("llama_bpe", "qwen2", "gpt2", "deepseek_v2", "deepseek_v3",
                                         "unigram_t5", "o200k"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(StarterTokenizer, ReferenceTexts) {
  const fs::path path = SharedFolder() / "models/starter/reference.json";
  if (!fs::exists(path)) GTEST_SKIP() << "no ../shared";
  const auto tokenizer = LoadStarter();
  ASSERT_NE(tokenizer, nullptr);
  const json reference = json::parse(ReadWhole(path));
  EXPECT_EQ(reference["texts"].size(), 6U);
  for (const json& one : reference["texts"]) {
    EXPECT_EQ(Encode(*tokenizer, one["text"].get<std::string>()), one["input_ids"].get<Ids>());
  }
  for (const auto& [file, expected] : reference["files"].items()) {
    const std::string text = ReadWhole(SharedFolder() / "data/multilingual" / file);
    EXPECT_EQ(Encode(*tokenizer, text).size(), expected["ids"]) << file;
  }
}

TEST(StarterTokenizer, RoundTrip) {
  const fs::path folder = SharedFolder() / "data/multilingual";
  if (!fs::exists(folder)) GTEST_SKIP() << "no ../shared";
  const auto tokenizer = LoadStarter();
  ASSERT_NE(tokenizer, nullptr);
  int num_files = 0;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (!file.path().string().ends_with(".valid.txt")) continue;
    ++num_files;
    const std::string text = ReadWhole(file.path());
    const Ids ids = Encode(*tokenizer, text);
    EXPECT_TRUE(tokenizer->Decode(ids) == text) << file.path();
    EXPECT_TRUE(DecodeInParts(*tokenizer, ids, true) == text) << file.path();
  }
  EXPECT_GE(num_files, 6);
}

TEST(TokenizerConformance, MalformedFilesAreErrors) {
  const fs::path folder = SharedFolder() / "conformance/malformed";
  if (!fs::exists(folder)) GTEST_SKIP() << "no ../shared";
  const json manifest = json::parse(ReadWhole(folder / "manifest.json"));
  for (const json& one : manifest["cases"]) {
    if (one["kind"] != "tokenizer_dir") continue;
    const std::string id = one["id"];
    const auto tokenizer = Tokenizer::FromJson(ReadWhole(folder / id / "tokenizer.json"), id);
    if (one["expect"] == "error") {
      EXPECT_FALSE(tokenizer.ok()) << id;
      EXPECT_TRUE(tokenizer.ok() || tokenizer.status().message().starts_with(id)) << id;
    }
  }
}

}  // namespace
}  // namespace moiety
