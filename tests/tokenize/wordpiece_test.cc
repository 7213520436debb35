#include "tokenize/wordpiece.h"

#include <gmock/gmock.h>

#include "tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;

json WordPieceJson() {
  json file = TinyJson();
  file["model"] = json::parse(R"({
    "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 8,
    "vocab": {"[UNK]": 0, "ba": 1, "##na": 2, "##n": 3, "b": 4, "##": 5, "é": 6, "##é": 7,
              "bar": 8}})");
  return file;
}

TEST(WordPiece, TakesTheLongestPieceThatFits) {
  const auto tokenizer = Load(WordPieceJson());
  EXPECT_THAT(Encode(*tokenizer, "banana"), ElementsAre(1, 2, 2));
  EXPECT_THAT(Encode(*tokenizer, "ban"), ElementsAre(1, 3));
  EXPECT_THAT(Encode(*tokenizer, "éé"), ElementsAre(6, 7));
  EXPECT_THAT(Encode(*tokenizer, "##"), ElementsAre(5));
  EXPECT_THAT(Encode(*tokenizer, ""), ElementsAre());
}

TEST(WordPiece, AWordIsKnownOrNot) {
  const auto tokenizer = Load(WordPieceJson());
  EXPECT_THAT(Encode(*tokenizer, "nab"), ElementsAre(0));
  EXPECT_THAT(Encode(*tokenizer, "banax"), ElementsAre(0));
  EXPECT_THAT(Encode(*tokenizer, "bana"), ElementsAre(1, 2));
  EXPECT_THAT(Encode(*tokenizer, "bananan"), ElementsAre(1, 2, 2, 3));
  EXPECT_THAT(Encode(*tokenizer, "banananan"), ElementsAre(0));     // nine characters
  EXPECT_THAT(Encode(*tokenizer, "éééééééé"), testing::SizeIs(8));  // eight, of two bytes
}

TEST(WordPiece, Prefixes) {
  json file = WordPieceJson();
  file["model"]["continuing_subword_prefix"] = "";
  EXPECT_THAT(Encode(*Load(file), "bab"), ElementsAre(1, 4));
  file["model"]["continuing_subword_prefix"] = "nowhere";
  EXPECT_THAT(Encode(*Load(file), "ba"), ElementsAre(1));
  EXPECT_THAT(Encode(*Load(file), "bab"), ElementsAre(0));
}

TEST(WordPiece, Errors) {
  const auto error = [](const char* pointer, const json& value) {
    json file = WordPieceJson();
    file[json::json_pointer(pointer)] = value;
    return LoadStatus(file).message();
  };
  const std::string model = "tokenizer.json: model: ";
  EXPECT_EQ(error("/model/unk_token", "x"),
            model + "\"unk_token\" must be in the vocabulary, found \"x\"");
  EXPECT_EQ(error("/model/max_input_chars_per_word", -1),
            model +
                "\"max_input_chars_per_word\" must be an integer from 0 to "
                "9223372036854775807, found -1");
  EXPECT_EQ(error("/model/continuing_subword_prefix", nullptr),
            model + "\"continuing_subword_prefix\" is missing");
  EXPECT_EQ(error("/model/vocab", 3), model + "\"vocab\" must be an object, found 3");
  EXPECT_EQ(error("/model/x", 3), model + "field \"x\" is not supported, found 3");
}

}  // namespace
}  // namespace moiety
