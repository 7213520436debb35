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
  for (size_t length = 1; length <= WordCache::kMaxBytes; ++length) {
    const WordCache::Key key = WordCache::KeyOf(text, 0, length);
    EXPECT_EQ(key, WordCache::KeyOf(text, second, length)) << length;  // also at the text's end
    EXPECT_FALSE(key == WordCache::KeyOf(text, 1, length));
    EXPECT_FALSE(length > 1 && key == WordCache::KeyOf(text, 0, length - 1));
  }
  const std::string zeros("a\0\0", 3);
  EXPECT_FALSE(WordCache::KeyOf(zeros, 0, 1) == WordCache::KeyOf(zeros, 0, 2));
}

TEST(WordCache, RemembersFewAndManyIds) {
  for (const size_t count : {0U, 1U, 3U, 4U, 100U}) {
    WordCache cache;
    const WordCache::Key key = WordCache::KeyOf("word", 0, 4);
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
    cache.Set(WordCache::KeyOf(text, 0, text.size()), ids, 0);
  }
  int found = 0;
  for (int i = 0; i < 100'000; ++i) {
    text = std::to_string(i);
    ids.clear();
    if (!cache.Append(WordCache::KeyOf(text, 0, text.size()), ids)) continue;
    ++found;
    EXPECT_THAT(ids, ElementsAre(i));
  }
  EXPECT_GT(found, 5'000);
}

}  // namespace
}  // namespace moiety
