#include "tokenize/split.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

// What they do to texts is compared with the reference in tokenizer_parts_test.cc.
namespace moiety {
namespace {

TEST(Split, CatastrophicPatternsAreErrorsOfTheText) {
  const nlohmann::json json = {
      {"type", "Split"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"behavior", "Isolated"}};
  const auto split = MakeSplit({json, "f: pre_tokenizer"});
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

TEST(Split, NoWordsStayNone) {
  const nlohmann::json json = {{"type", "Digits"}, {"individual_digits", true}};
  const auto digits = MakeDigits({json, "f"});
  ASSERT_TRUE(digits.ok());
  Words words;
  ASSERT_TRUE((*digits)->Apply(words).ok());
  EXPECT_TRUE(words.ends.empty());
}

}  // namespace
}  // namespace moiety
