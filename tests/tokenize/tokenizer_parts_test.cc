// Every normalizer and pre-tokenizer on awkward texts, against what Hugging Face tokenizers make of
// them (tests/goldens/make_tokenizer_parts.py).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/mapped_file.h"
#include "tokenize/normalizer.h"
#include "tokenize/pre_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;

json Goldens() {
  const auto text = ReadFile(MOIETY_SOURCE_DIR "/tests/data/tokenizers/parts.json", 16 << 20);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? json::parse(*text) : json::object();
}

std::vector<std::string> WordsOf(const Words& words) {
  std::vector<std::string> out;
  size_t begin = 0;
  for (const size_t end : words.ends) {
    out.push_back(words.text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, words.text.size());
  return out;
}

TEST(TokenizerParts, Normalizers) {
  const json goldens = Goldens();
  int num_parts = 0;
  for (const json& part : goldens["parts"]) {
    if (!part.contains("normalizer")) continue;
    ++num_parts;
    const auto normalizers = LoadNormalizers({part["normalizer"], "f"});
    ASSERT_TRUE(normalizers.ok()) << normalizers.status().message();
    for (size_t i = 0; i < goldens["texts"].size(); ++i) {
      std::string text = goldens["texts"][i];
      for (const auto& normalizer : *normalizers) {
        const Status status = normalizer->Apply(text);
        ASSERT_TRUE(status.ok()) << status.message();
      }
      EXPECT_EQ(json(text), part["expected"][i]) << part["normalizer"] << goldens["texts"][i];
    }
  }
  EXPECT_GE(num_parts, 20);
}

TEST(TokenizerParts, PreTokenizers) {
  const json goldens = Goldens();
  int num_parts = 0;
  for (const json& part : goldens["parts"]) {
    if (!part.contains("pre_tokenizer")) continue;
    ++num_parts;
    const auto pre_tokenizers = LoadPreTokenizers({part["pre_tokenizer"], "f"});
    ASSERT_TRUE(pre_tokenizers.ok()) << pre_tokenizers.status().message();
    for (size_t i = 0; i < goldens["texts"].size(); ++i) {
      Words words;
      words.text = goldens["texts"][i];
      if (!words.text.empty()) words.ends.push_back(words.text.size());
      for (const auto& pre_tokenizer : *pre_tokenizers) {
        const Status status = pre_tokenizer->Apply(words);
        ASSERT_TRUE(status.ok()) << status.message();
      }
      EXPECT_EQ(json(WordsOf(words)), part["expected"][i])
          << part["pre_tokenizer"] << goldens["texts"][i];
    }
  }
  EXPECT_GE(num_parts, 60);
}

}  // namespace
}  // namespace moiety
