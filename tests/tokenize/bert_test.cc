#include "tokenize/bert.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;

json Options(bool clean, bool chinese, const json& accents, bool lower) {
  return {{"type", "BertNormalizer"},
          {"clean_text", clean},
          {"handle_chinese_chars", chinese},
          {"strip_accents", accents},
          {"lowercase", lower}};
}

std::string Normalize(const json& component, std::string text) {
  const auto normalizer = MakeBertNormalizer({component, "f"});
  if (!normalizer.ok()) return "error: " + normalizer.status().message();
  EXPECT_TRUE((*normalizer)->Apply(text).ok());
  return text;
}

TEST(BertNormalizer, CleanText) {
  const json clean = Options(true, false, false, false);
  EXPECT_EQ(Normalize(clean, "a\tb\nc\rd\u00A0e\u3000f"), "a b c d e f");
  std::string text = "a b\x7F\u0085c\u200Bd\uFFFDe\uE000f";
  text[1] = '\0';
  EXPECT_EQ(Normalize(clean, text), "abcdef");
  EXPECT_EQ(Normalize(Options(false, false, false, false), "a\tb\u200B"), "a\tb\u200B");
}

TEST(BertNormalizer, ChineseCharacters) {
  EXPECT_EQ(Normalize(Options(false, true, false, false), "a中文b日"), "a 中  文 b 日 ");
  EXPECT_EQ(Normalize(Options(false, true, false, false), "かな한글\U00020000"),
            "かな한글 \U00020000 ");
}

TEST(BertNormalizer, AccentsAndCase) {
  EXPECT_EQ(Normalize(Options(false, false, nullptr, true), "ÀÉßİΣ A\u0301한"),
            "aeßiσ a\u1112\u1161\u11AB");
  EXPECT_EQ(Normalize(Options(false, false, false, true), "ÀÉİΣΣ"), "àéi\u0307σσ");
  EXPECT_EQ(Normalize(Options(false, false, nullptr, false), "À"), "À");
  EXPECT_EQ(Normalize(Options(false, false, true, false), "À"), "A");
  EXPECT_EQ(Normalize(Options(false, false, true, false), "\U00011938"), "\U00011938");
  EXPECT_EQ(Normalize(Options(false, false, true, false), "\U0001D15F"), "\U0001D158\U0001D165");
}

TEST(BertNormalizer, Errors) {
  EXPECT_EQ(Normalize({{"type", "BertNormalizer"}}, ""), "error: f: \"clean_text\" is missing");
  EXPECT_EQ(Normalize(Options(true, true, 3, true), ""),
            "error: f: \"strip_accents\" must be true or false, found 3");
}

std::vector<std::string> CutBert(const std::vector<std::string>& parts,
                                 bool* starts_text = nullptr) {
  const json component = {{"type", "BertPreTokenizer"}};
  const auto pre_tokenizer = *MakeBertPreTokenizer({component, "f"});
  Words words;
  for (const std::string& part : parts) {
    words.text += part;
    words.ends.push_back(words.text.size());
  }
  EXPECT_TRUE(pre_tokenizer->Apply(words).ok());
  std::vector<std::string> result;
  size_t begin = 0;
  for (const size_t end : words.ends) {
    result.push_back(words.text.substr(begin, end - begin));
    begin = end;
  }
  if (starts_text != nullptr) *starts_text = words.starts_text;
  return result;
}

TEST(BertPreTokenizer, CutsAtWhiteSpaceAndPunctuation) {
  EXPECT_THAT(CutBert({"Hey friend!     How are you?!?"}),
              ElementsAre("Hey", "friend", "!", "How", "are", "you", "?", "!", "?"));
  EXPECT_THAT(CutBert({"\u3000a$b—c\n", " ", "d"}), ElementsAre("a", "$", "b", "—", "c", "d"));
  EXPECT_THAT(CutBert({" \t"}), ElementsAre());
  EXPECT_THAT(CutBert({}), ElementsAre());
}

TEST(BertPreTokenizer, KnowsWhetherTheTextStartsWithAWord) {
  bool starts_text = false;
  CutBert({"a b"}, &starts_text);
  EXPECT_TRUE(starts_text);
  CutBert({" a b"}, &starts_text);
  EXPECT_FALSE(starts_text);
}

}  // namespace
}  // namespace moiety
