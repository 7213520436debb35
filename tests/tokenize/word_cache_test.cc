#include "tokenize/word_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace moiety {
namespace {

using testing::ElementsAre;

TEST(WordCache, KeysAreTheWord) {
  const std::string text = "abcdefghijklmnopqrstuvwxyz abcdefghijklmno";
  const size_t second = text.find(' ') + 1;
  for (size_t length = 1; length <= WordKey::kMaxBytes; ++length) {
    const WordKey key = WordKey::Of(text, 0, length);
    EXPECT_EQ(key, WordKey::Of(text, second, length)) << length;  // also at the text's end
    EXPECT_FALSE(key == WordKey::Of(text, 1, length));
    EXPECT_FALSE(length > 1 && key == WordKey::Of(text, 0, length - 1));
  }
  const std::string zeros("a\0\0", 3);
  EXPECT_FALSE(WordKey::Of(zeros, 0, 1) == WordKey::Of(zeros, 0, 2));
}

TEST(WordSet, HasOnlyWhatWasAdded) {
  WordSet words;
  int found = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::string added = "a" + std::to_string(i);
    const std::string other = "b" + std::to_string(i);
    words.Add(WordKey::Of(added, 0, added.size()));
    EXPECT_TRUE(words.Contains(WordKey::Of(added, 0, added.size())));
    EXPECT_FALSE(words.Contains(WordKey::Of(other, 0, other.size())));
    found += words.Contains(WordKey::Of("a7", 0, 2)) ? 1 : 0;
  }
  EXPECT_GT(found, 0);
  EXPECT_LT(found, 10000);  // others take its place
}

TEST(WordCache, RemembersFewAndManyIds) {
  for (const size_t count : {0U, 1U, 3U, 4U, 100U}) {
    WordCache cache;
    const WordKey key = WordKey::Of("word", 0, 4);
    std::vector<int32_t> ids = {7, 8};
    EXPECT_FALSE(cache.Append(key, ids));
    for (size_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(i));
    cache.Set(key, ids, 2);
    std::vector<int32_t> expected = ids;
    for (size_t i = 0; i < count; ++i) expected.push_back(static_cast<int32_t>(i));
    EXPECT_TRUE(cache.Append(key, ids));
    EXPECT_EQ(ids, expected);
  }
}

TEST(WordCache, AnotherWordTakesThePlace) {
  // More words than places: whatever is found must be right.
  WordCache cache;
  std::vector<int32_t> ids;
  std::string text;
  for (int i = 0; i < 100'000; ++i) {
    text = std::to_string(i);
    ids.assign(1, i);
    cache.Set(WordKey::Of(text, 0, text.size()), ids, 0);
  }
  int found = 0;
  for (int i = 0; i < 100'000; ++i) {
    text = std::to_string(i);
    ids.clear();
    if (!cache.Append(WordKey::Of(text, 0, text.size()), ids)) continue;
    ++found;
    EXPECT_THAT(ids, ElementsAre(i));
  }
  EXPECT_GT(found, 5'000);
}

}  // namespace
}  // namespace moiety
