#include "tokenize/added_tokens.h"

#include <gmock/gmock.h>

#include "tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;

constexpr int32_t kTag = 10;

// "<t>" has the id 10; `flags` are set to true.
json WithTag(std::initializer_list<const char*> flags) {
  json file = TinyJson();
  file["added_tokens"] = json::array({AddedTokenJson(kTag, "<t>")});
  for (const char* flag : flags) file["added_tokens"][0][flag] = true;
  file["model"]["unk_token"] = "<unk>";
  return file;
}

TEST(AddedTokens, AreFoundBeforeTheModel) {
  const auto tokenizer = Load(WithTag({}));
  EXPECT_THAT(Encode(*tokenizer, "a<t>b<t>"), ElementsAre(1, kTag, 2, kTag));
  EXPECT_THAT(Encode(*tokenizer, "<t>"), ElementsAre(kTag));
  EXPECT_THAT(Encode(*tokenizer, "<t"), ElementsAre(0, 0));
  EXPECT_TRUE(tokenizer->IsSpecial(kTag));
  EXPECT_FALSE(tokenizer->IsSpecial(1));
  EXPECT_EQ(tokenizer->vocab_size(), kTag + 1);
  EXPECT_EQ(tokenizer->Piece(kTag), "<t>");
  EXPECT_EQ(tokenizer->IdOf("<t>"), kTag);
  EXPECT_EQ(tokenizer->Piece(8), "");  // a gap
}

TEST(AddedTokens, LongestOfTheLeftmost) {
  json file = TinyJson();
  file["added_tokens"] = json::array({AddedTokenJson(10, "bc"), AddedTokenJson(2, "b"),
                                      AddedTokenJson(12, "bcbb"), AddedTokenJson(13, "cba")});
  const auto tokenizer = Load(file);
  EXPECT_THAT(Encode(*tokenizer, "abcba"), ElementsAre(1, 10, 2, 1));
  EXPECT_THAT(Encode(*tokenizer, "bcbbb"), ElementsAre(12, 2));
  EXPECT_THAT(Encode(*tokenizer, "acba"), ElementsAre(1, 13));
}

TEST(AddedTokens, TakeWhiteSpace) {
  // Spaces that are left are unknown here: id 0.
  EXPECT_THAT(Encode(*Load(WithTag({})), "a <t> b"), ElementsAre(1, 0, kTag, 0, 2));
  EXPECT_THAT(Encode(*Load(WithTag({"lstrip"})), "a \t\u3000\n<t> b"), ElementsAre(1, kTag, 0, 2));
  EXPECT_THAT(Encode(*Load(WithTag({"rstrip"})), "a <t> \u00A0\r b"), ElementsAre(1, 0, kTag, 2));
  EXPECT_THAT(Encode(*Load(WithTag({"lstrip", "rstrip"})), " <t> <t> "), ElementsAre(kTag, kTag));
}

TEST(AddedTokens, SingleWords) {
  const auto tokenizer = Load(WithTag({"single_word"}));
  EXPECT_THAT(Encode(*tokenizer, "<t>b"), ElementsAre(0, 0, 0, 2));
  EXPECT_THAT(Encode(*tokenizer, "a<t>"), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(Encode(*tokenizer, "a <t> b"), ElementsAre(1, 0, kTag, 0, 2));
  EXPECT_THAT(Encode(*tokenizer, "<t>"), ElementsAre(kTag));
  EXPECT_THAT(Encode(*tokenizer, "<t><t>"), ElementsAre(kTag, kTag));
  for (const char* word : {"é", "_", "٣", "\u0301", "\u200d", "ⓐ"}) {
    EXPECT_EQ(Encode(*tokenizer, std::string(word) + "<t>").back(), 0) << word;
    EXPECT_NE(Encode(*tokenizer, std::string("<t>") + word)[0], kTag) << word;
  }
  for (const char* other : {"½", ".", "🙂", "€"}) {
    EXPECT_EQ(Encode(*tokenizer, std::string(other) + "<t>").back(), kTag) << other;
    EXPECT_EQ(Encode(*tokenizer, std::string("<t>") + other)[0], kTag) << other;
  }
}

// The reference finds tokens of white space again in what another token has taken.
TEST(AddedTokens, WhiteSpaceThatIsTakenMayBeATokenToo) {
  json file = WithTag({"rstrip"});
  file["added_tokens"].push_back(AddedTokenJson(11, "  "));
  EXPECT_THAT(Encode(*Load(file), "<t>   b"), ElementsAre(kTag, 11, 0, 2));
  file["added_tokens"][1]["lstrip"] = true;
  EXPECT_THAT(Encode(*Load(file), "<t>   b"), ElementsAre(kTag, 2));
}

TEST(AddedTokens, NormalizedOnesAreFoundInNormalizedText) {
  json file = WithTag({"normalized"});
  file["normalizer"] =
      json::parse(R"({"type": "Replace", "pattern": {"String": "["}, "content": "<"})");
  EXPECT_THAT(Encode(*Load(file), "a[t>b<t>"), ElementsAre(1, kTag, 2, kTag));
  file["added_tokens"][0]["normalized"] = false;
  EXPECT_THAT(Encode(*Load(file), "a[t>b<t>"), ElementsAre(1, 0, 0, 0, 2, kTag));
  // They are searched for and decoded as the normalizer leaves them.
  file["added_tokens"][0]["normalized"] = true;
  file["added_tokens"][0]["content"] = "[t>";
  const auto tokenizer = Load(file);
  EXPECT_THAT(Encode(*tokenizer, "<t>"), ElementsAre(kTag));
  EXPECT_EQ(tokenizer->Decode(Ids{kTag}, /*skip_special=*/false), "<t>");
  EXPECT_EQ(tokenizer->Decode(Ids{kTag}, /*skip_special=*/true), "");
  EXPECT_EQ(tokenizer->Piece(kTag), "[t>");
}

TEST(AddedTokens, MayBeInTheVocabularyToo) {
  json file = TinyJson();
  file["added_tokens"] = json::array({AddedTokenJson(4, "ab")});
  const auto tokenizer = Load(file);
  EXPECT_TRUE(tokenizer->IsSpecial(4));
  EXPECT_THAT(Encode(*tokenizer, "abc"), ElementsAre(4, 3));
}

TEST(AddedTokens, ManyTokensOfWhiteSpaceTakeLinearTime) {
  json file = WithTag({});
  file["added_tokens"].push_back(AddedTokenJson(11, " "));
  file["added_tokens"][1]["rstrip"] = true;
  const std::string spaces(1 << 20, ' ');
  EXPECT_EQ(Encode(*Load(file), spaces), Ids(spaces.size(), 11));
  file["added_tokens"][1]["lstrip"] = true;
  EXPECT_EQ(Encode(*Load(file), spaces), Ids{11});
}

TEST(AddedTokens, Errors) {
  const auto error = [](const char* field, const json& value) {
    json file = WithTag({});
    file["added_tokens"].push_back(AddedTokenJson(11, "<u>"));
    if (value.is_discarded()) {
      file["added_tokens"][1].erase(field);
    } else {
      file["added_tokens"][1][field] = value;
    }
    return LoadStatus(file).message();
  };
  const json absent = json::parse("", nullptr, false);
  const std::string where = "tokenizer.json: added_tokens[1]: ";
  EXPECT_EQ(error("content", absent), where + "\"content\" is missing");
  EXPECT_EQ(error("single_word", absent), where + "\"single_word\" is missing");
  EXPECT_EQ(error("content", 3), where + "\"content\" must be a string, found 3");
  EXPECT_EQ(error("id", -1), where + "\"id\" must be an integer from 0 to 66047, found -1");
  EXPECT_EQ(error("id", 10),
            where + "\"id\" of token \"<u>\" must be its own, found 10 of another token");
  EXPECT_EQ(error("id", 3),
            where + "\"id\" of token \"<u>\" must be its own, found 3 of another token");
  EXPECT_EQ(error("content", "ab"),
            where + "\"id\" of token \"ab\" must be 4 as in the vocabulary, found 11");
  EXPECT_EQ(
      error("content", "<t>"),
      "tokenizer.json: added_tokens: two tokens must not have the same text, found \"<t>\" twice");
  EXPECT_EQ(error("single_word", 3), where + "\"single_word\" must be true or false, found 3");
  EXPECT_EQ(error("color", 3), where + "field \"color\" is not supported, found 3");

  json file = TinyJson();
  file["added_tokens"] = 3;
  EXPECT_EQ(LoadStatus(file).message(), "tokenizer.json: added_tokens must be a list, found 3");
}

}  // namespace
}  // namespace moiety
