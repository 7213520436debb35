#include "tokenize/split_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// Behaviors are compared with the reference in tokenizer_parts_test.cc.
namespace moiety {
namespace {

using testing::ElementsAre;

Status FindA(std::string_view word, std::vector<Regex::Match>& matches) {
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] == 'a') matches.push_back({i, i + 1});
  }
  return OkStatus();
}

TEST(SplitWords, EachWordByItself) {
  Words words{"xaayay", {3, 6}};
  ASSERT_TRUE(SplitWords(words, SplitBehavior::kContiguous, false, &FindA).ok());
  EXPECT_EQ(words.text, "xaayay");
  EXPECT_THAT(words.ends, ElementsAre(1, 3, 4, 5, 6));
}

TEST(SplitWords, RemovedTextIsGone) {
  Words words{"xaayay", {3, 6}};
  ASSERT_TRUE(SplitWords(words, SplitBehavior::kRemoved, false, &FindA).ok());
  EXPECT_EQ(words.text, "xyy");
  EXPECT_THAT(words.ends, ElementsAre(1, 2, 3));
}

TEST(SplitWords, FailuresArePassedOn) {
  Words words{"xa", {2}};
  const Status status =
      SplitWords(words, SplitBehavior::kRemoved, false,
                 [](std::string_view, std::vector<Regex::Match>&) { return IoError("no"); });
  EXPECT_EQ(status.message(), "no");
}

}  // namespace
}  // namespace moiety
