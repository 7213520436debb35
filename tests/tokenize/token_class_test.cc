#include "tokenize/token_class.h"

#include <gmock/gmock.h>

#include <map>
#include <span>

#include "io/mapped_file.h"
#include "support/paths.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using enum TokenClass;

TEST(TokenClass, OfTexts) {
  const std::map<std::string_view, TokenClass> cases = {
      {"the", kLetters},
      {" the", kLetters},
      {"\u00e9t\u00e9", kLetters},
      {"e\u0301", kLetters},
      {"\u05d0\u05d1", kLetters},
      {"42", kDigits},
      {"\u00bd", kDigits},
      {" 7", kDigits},
      {".", kPunctuation},
      {"\u00ab", kPunctuation},
      {" +=", kPunctuation},
      {"\u3002", kPunctuation},
      {" ", kWhitespace},
      {"\n\t\u3000", kWhitespace},
      {"\u4e2d\u6587", kCjk},
      {"\u304b\u306a", kCjk},
      {"\ud55c\uae00", kCjk},
      {"\U00020000", kCjk},
      {"\u20ac", kOther},
      {"\U0001f642", kOther},
      {"\u0301", kOther},
      {"\ufffd", kOther},
      {"\x01", kOther},
      {"", kOther},
      // The most characters count, of equals the first class.
      {"don't", kLetters},
      {"x1", kLetters},
      {"x12", kDigits},
      {");\n", kPunctuation},
      {"a\u4e2d", kLetters},
      {"1.", kDigits},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(ClassOfText(text), expected) << text;
}

TEST(TokenClass, EachHasAName) {
  EXPECT_EQ(kTokenClassNames[static_cast<size_t>(kCjk)], "cjk");
  EXPECT_EQ(kTokenClassNames[static_cast<size_t>(kOther)], "other");
}

// A tokenizer of bytes: a character of two or more bytes is that many tokens.
TEST(TokenClass, BytesHaveTheClassOfTheirCharacter) {
  const auto tokenizer = Tokenizer::FromJson(TinyTokenizer(), "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const std::string text = "a\u00e9 \u4e2d1!";
  const auto ids = (*tokenizer)->Encode(text, false);
  ASSERT_TRUE(ids.ok());
  const std::vector<TextToken> tokens = TextTokens(**tokenizer, *ids);
  ASSERT_EQ(tokens.size(), ids->size());
  std::vector<TokenClass> classes;
  std::string joined;
  for (const TextToken& token : tokens) {
    classes.push_back(token.token_class);
    joined += token.text;
  }
  EXPECT_THAT(classes, testing::ElementsAre(kLetters, kLetters, kLetters, kWhitespace, kCjk, kCjk,
                                            kCjk, kDigits, kPunctuation));
  EXPECT_EQ(joined, text);
}

Result<std::unique_ptr<const Tokenizer>> OpenOf(const std::filesystem::path& folder) {
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(folder / "tokenizer.json", 1 << 24));
  return Tokenizer::FromJson(text, "tokenizer.json");
}

TEST(TokenClass, SpecialTokensAndHalfCharactersAreOther) {
  const auto tokenizer = OpenOf(Starter());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const auto ids = (*tokenizer)->Encode("a\u4e2d");
  ASSERT_TRUE(ids.ok());
  ASSERT_TRUE((*tokenizer)->IsSpecial(ids->front()));
  const std::vector<TextToken> tokens = TextTokens(**tokenizer, *ids);
  ASSERT_EQ(tokens.size(), 1 + 1 + 3U) << "<s>, a, bytes of a character";
  EXPECT_EQ(tokens[0].text, "<s>");
  EXPECT_EQ(tokens[0].token_class, kOther);
  EXPECT_EQ(tokens[1].token_class, kLetters);
  EXPECT_EQ(tokens[2].text, "");
  EXPECT_EQ(tokens[2].token_class, kCjk);
  EXPECT_EQ(tokens[4].text, "\u4e2d");
  // Without its last byte.
  const std::vector<TextToken> half = TextTokens(**tokenizer, std::span(*ids).first(4));
  EXPECT_EQ(half[1].token_class, kLetters);
  EXPECT_EQ(half[2].token_class, kOther);
  EXPECT_EQ(half[3].token_class, kOther);
  EXPECT_TRUE(TextTokens(**tokenizer, {}).empty());
}

// Whatever the tokenizer, the texts are the text.
TEST(TokenClass, TextsJoinedAreTheText) {
  const std::string text = "One \u4e2d\u6587\U0001f642\u00e9 2\n\n\t\u1e9e.";
  for (const char* name : {"bpe_decoder", "unigram_bytes", "metaspace_first"}) {
    const auto folder = SourcePath(std::string("tests/data/tokenizers/") + name);
    const auto tokenizer = OpenOf(folder);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    const auto ids = (*tokenizer)->Encode(text);
    ASSERT_TRUE(ids.ok());
    std::string joined;
    for (const TextToken& token : TextTokens(**tokenizer, *ids)) joined += token.text;
    EXPECT_EQ(joined, (*tokenizer)->Decode(*ids, false)) << name;
  }
}

}  // namespace
}  // namespace moiety
