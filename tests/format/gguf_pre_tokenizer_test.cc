#include "format/gguf_pre_tokenizer.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "support/paths.h"
#include "tokenize/reference_cases.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;

// A tokenizer whose pieces are the bytes, with the words that `name` cuts.
json BytesDocument(const GgufPreTokenizer& pre_tokenizer) {
  json file = TinyJson();
  file["model"] = {{"type", "BPE"}, {"vocab", json::object()}, {"merges", json::array()}};
  file["pre_tokenizer"] = PreTokenizerJson(pre_tokenizer.steps);
  return file;
}

// The words into which `text` is cut, seen through a model that knows exactly `words`.
Ids Words(const char* name, const std::string& text, const std::vector<std::string>& words) {
  const GgufPreTokenizer* pre_tokenizer = FindGgufPreTokenizer(name);
  if (pre_tokenizer == nullptr) return {-1};
  json file = BytesDocument(*pre_tokenizer);
  // Bytes of ASCII are themselves but for the space: "Ġ".
  json vocab = json::object();
  vocab["?"] = 0;
  for (const std::string& word : words) vocab[word] = vocab.size();
  file["model"] = {{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", "?"}};
  const auto tokenizer = Load(file);
  return tokenizer == nullptr ? Ids{-1} : Encode(*tokenizer, text);
}

TEST(GgufPreTokenizer, EveryOneLoads) {
  std::set<std::string_view> names;
  for (const GgufPreTokenizer& pre_tokenizer : GgufPreTokenizers()) {
    EXPECT_TRUE(names.insert(pre_tokenizer.name).second) << pre_tokenizer.name;
    EXPECT_EQ(FindGgufPreTokenizer(pre_tokenizer.name), &pre_tokenizer);
    const Status status = LoadStatus(BytesDocument(pre_tokenizer));
    EXPECT_TRUE(status.ok()) << pre_tokenizer.name << ": " << status.message();
  }
  EXPECT_GT(names.size(), 50U);
  EXPECT_EQ(FindGgufPreTokenizer("gearbox"), nullptr);
  EXPECT_EQ(FindGgufPreTokenizer(""), nullptr);
}

TEST(GgufPreTokenizer, DigitsTellThemApart) {
  const std::string text = "a 1234's";
  EXPECT_THAT(Words("gpt-2", text, {"a", "Ġ1234", "'s"}), ElementsAre(1, 2, 3));
  EXPECT_THAT(Words("starcoder", text, {"a", "Ġ", "1", "2", "3", "4", "'s"}),
              ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(Words("llama-bpe", text, {"a", "Ġ", "123", "4", "'s"}), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Words("qwen2", text, {"a", "Ġ", "1", "2", "3", "4", "'s"}),
              ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(Words("tekken", text, {"a", "Ġ", "1", "2", "3", "4", "'s"}),
              ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(Words("gpt-4o", "aB 1234's", {"a", "B", "Ġ", "123", "4", "'s"}),
              ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Words("falcon", text, {"a", "Ġ", "123", "4", "'", "s"}),
              ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Words("default", text, {"a", "Ġ", "123", "4", "'", "s"}),
              ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Words("tiny_aya", "1234 a", {"1", "234", "Ġa"}), ElementsAre(1, 2, 3));
}

// The published patterns, letter by letter.
TEST(GgufPreTokenizer, EqualsTokenizerFiles) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  for (const auto& [name, folder] :
       {std::pair("deepseek-llm", "deepseek_v2"), std::pair("deepseek-v3", "deepseek_v3"),
        std::pair("qwen2", "qwen2"), std::pair("gpt-4o", "o200k"), std::pair("gpt-2", "gpt2")}) {
    const json file =
        json::parse(ReadWhole(SharedPath("conformance/tokenizers") / folder / "tokenizer.json"));
    json expected = file["pre_tokenizer"];
    json ours = PreTokenizerJson(FindGgufPreTokenizer(name)->steps);
    // Only says where words are, which nothing here asks for.
    const auto forget = [](json& value) {
      for (json* one : {&value}) one->erase("trim_offsets");
      if (value.contains("pretokenizers")) {
        for (json& step : value["pretokenizers"]) step.erase("trim_offsets");
      }
    };
    forget(expected);
    forget(ours);
    EXPECT_EQ(ours, expected) << name;
  }
}

}  // namespace
}  // namespace moiety
