#include "tokenize/word_level.h"

#include <gmock/gmock.h>

#include "tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;

TEST(WordLevel, WordsAreKnownOrNot) {
  json file = TinyJson();
  file["model"] = json::parse(
      R"({"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<unk>": 3, "a b": 0, "a": 7}})");
  const auto tokenizer = Load(file);
  EXPECT_THAT(Encode(*tokenizer, "a b"), ElementsAre(0));
  EXPECT_THAT(Encode(*tokenizer, "a"), ElementsAre(7));
  EXPECT_THAT(Encode(*tokenizer, "b"), ElementsAre(3));
  EXPECT_THAT(Encode(*tokenizer, ""), ElementsAre());
  EXPECT_EQ(tokenizer->vocab_size(), 8);
  file["model"]["unk_token"] = "x";
  EXPECT_EQ(LoadStatus(file).message(),
            "tokenizer.json: model: \"unk_token\" must be in the vocabulary, found \"x\"");
}

}  // namespace
}  // namespace moiety
