// The tokenizer against ids and texts of the published implementation.
#include <gtest/gtest.h>

#include "io/mapped_file.h"
#include "tiny_tokenizer.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kMaxBytes = 64 << 20;

std::string Read(const fs::path& path) {
  auto text = ReadFile(path, kMaxBytes);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *std::move(text) : "";
}

std::unique_ptr<const Tokenizer> LoadStarter() {
  return Load(Read(fs::path(MOIETY_SOURCE_DIR) / "models/starter/tokenizer.json"));
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

// Decodes with a Stream; must be the same as Decode.
std::string DecodeInParts(const Tokenizer& tokenizer, const Ids& ids, bool skip_special) {
  Tokenizer::Stream stream(tokenizer, skip_special);
  std::string text;
  for (const int32_t id : ids) text += stream.Next(id);
  return text + stream.Finish();
}

class TokenizerConformance : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerConformance, EqualsTheReference) {
  const fs::path folder = SharedFolder() / "conformance/tokenizers" / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << "no ../shared";
  const auto tokenizer = Load(Read(folder / "tokenizer.json"));
  ASSERT_NE(tokenizer, nullptr);
  const json cases = json::parse(Read(folder / "cases.json"));

  EXPECT_EQ(tokenizer->vocab_size(), cases["vocab_size"]);
  for (const json& one : cases["cases"]) {
    const std::string text = one["text"];
    const Ids ids = one["ids"];
    const Ids ids_special = one["ids_special"];
    EXPECT_EQ(Encode(*tokenizer, text, /*add_special=*/false), ids) << one["text"];
    EXPECT_EQ(Encode(*tokenizer, text), ids_special) << one["text"];
    EXPECT_EQ(tokenizer->Decode(ids, /*skip_special=*/false), one["decoded"]) << one["text"];
    EXPECT_EQ(tokenizer->Decode(ids_special), one["decoded_skip_special"]) << one["text"];
    EXPECT_EQ(DecodeInParts(*tokenizer, ids_special, true), one["decoded_skip_special"]);
  }
  for (const json& one : cases["decode_cases"]) {
    const Ids ids = one["ids"];
    EXPECT_EQ(tokenizer->Decode(ids, /*skip_special=*/false), one["decoded"]) << one["ids"];
    EXPECT_EQ(tokenizer->Decode(ids), one["decoded_skip_special"]) << one["ids"];
    EXPECT_EQ(DecodeInParts(*tokenizer, ids, false), one["decoded"]) << one["ids"];
    EXPECT_EQ(DecodeInParts(*tokenizer, ids, true), one["decoded_skip_special"]) << one["ids"];
  }
  for (const json& one : cases["invalid_utf8"]) {
    const Ids ids = one["ids"];
    EXPECT_EQ(Encode(*tokenizer, FromHex(one["hex"]), /*add_special=*/false), ids) << one["hex"];
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerConformance,
                         testing::Values("llama_bpe", "qwen2", "gpt2", "deepseek_v2", "deepseek_v3",
                                         "o200k"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(StarterTokenizer, ReferenceTexts) {
  const fs::path path = SharedFolder() / "models/starter/reference.json";
  if (!fs::exists(path)) GTEST_SKIP() << "no ../shared";
  const auto tokenizer = LoadStarter();
  ASSERT_NE(tokenizer, nullptr);
  const json reference = json::parse(Read(path));
  EXPECT_EQ(reference["texts"].size(), 6U);
  for (const json& one : reference["texts"]) {
    EXPECT_EQ(Encode(*tokenizer, one["text"].get<std::string>()), one["input_ids"].get<Ids>());
  }
  for (const auto& [file, expected] : reference["files"].items()) {
    const std::string text = Read(SharedFolder() / "data/multilingual" / file);
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
    const std::string text = Read(file.path());
    const Ids ids = Encode(*tokenizer, text);
    EXPECT_TRUE(tokenizer->Decode(ids) == text) << file.path();
    EXPECT_TRUE(DecodeInParts(*tokenizer, ids, true) == text) << file.path();
  }
  EXPECT_GE(num_files, 6);
}

TEST(TokenizerConformance, MalformedFilesAreErrors) {
  const fs::path folder = SharedFolder() / "conformance/malformed";
  if (!fs::exists(folder)) GTEST_SKIP() << "no ../shared";
  const json manifest = json::parse(Read(folder / "manifest.json"));
  for (const json& one : manifest["cases"]) {
    if (one["kind"] != "tokenizer_dir") continue;
    const std::string id = one["id"];
    const auto tokenizer = Tokenizer::FromJson(Read(folder / id / "tokenizer.json"), id);
    if (one["expect"] == "error") {
      EXPECT_FALSE(tokenizer.ok()) << id;
      EXPECT_TRUE(tokenizer.ok() || tokenizer.status().message().starts_with(id)) << id;
    }
  }
}

}  // namespace
}  // namespace moiety
