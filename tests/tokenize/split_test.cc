#include "tokenize/split.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

// What they do to texts is compared with the reference in tokenizer_parts_test.cc.
namespace moiety {
namespace {

std::vector<std::string> Cut(const Words& words) {
  std::vector<std::string> cut;
  size_t begin = 0;
  for (const size_t end : words.ends) {
    cut.push_back(words.text.substr(begin, end - begin));
    begin = end;
  }
  return cut;
}

TEST(Split, CatastrophicPatternsAreErrorsOfTheText) {
  const nlohmann::json document = {
      {"type", "Split"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"behavior", "Isolated"}};
  const auto split = MakeSplit({document, "f: pre_tokenizer"});
  ASSERT_TRUE(split.ok());
  Words words;
  words.text.assign(60, 'a');
  words.text += 'b';
  words.ends.push_back(words.text.size());
  const Status status = (*split)->Apply(words);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            "f: pre_tokenizer: the pattern takes too many steps on this text: \"(a+)+$\"");
}

// Many words: those without a match are remembered, and found again as what they are.
TEST(Split, ManyWordsLikeOne) {
  const nlohmann::json document = {
      {"type", "Split"}, {"pattern", {{"Regex", "x+$"}}}, {"behavior", "Isolated"}};
  const auto split = MakeSplit({document, "f"});
  ASSERT_TRUE(split.ok());
  Words many;
  std::vector<std::string> expected;
  for (int i = 0; i < 2000; ++i) {
    Words one;
    one.text = std::to_string(i % 700) + (i % 3 == 0   ? "x"
                                          : i % 3 == 1 ? "xy"
                                                       : "longer than most");
    many.text += one.text;
    many.ends.push_back(many.text.size());
    one.ends.push_back(one.text.size());
    ASSERT_TRUE((*split)->Apply(one).ok());
    for (const std::string& word : Cut(one)) expected.push_back(word);
  }
  ASSERT_TRUE((*split)->Apply(many).ok());
  EXPECT_EQ(Cut(many), expected);
  EXPECT_EQ(expected.size(), 2000 + 667);
}

TEST(Split, NoWordsStayNone) {
  const nlohmann::json document = {{"type", "Digits"}, {"individual_digits", true}};
  const auto digits = MakeDigits({document, "f"});
  ASSERT_TRUE(digits.ok());
  Words words;
  ASSERT_TRUE((*digits)->Apply(words).ok());
  EXPECT_TRUE(words.ends.empty());
}

}  // namespace
}  // namespace moiety
