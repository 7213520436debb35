#include "tokenize/string_replacer.h"

#include <gtest/gtest.h>

#include <random>

namespace moiety {
namespace {

// The definition: leftmost first, without overlaps.
std::string Oracle(const std::string& text, const std::string& pattern,
                   const std::string& content) {
  std::string out;
  size_t i = 0;
  while (i < text.size()) {
    if (text.compare(i, pattern.size(), pattern) == 0) {
      out += content;
      i += pattern.size();
    } else {
      out += text[i++];
    }
  }
  return out;
}

TEST(StringReplacer, ReplacesFromTheLeftWithoutOverlaps) {
  EXPECT_EQ(StringReplacer(" ", "▁").Replace(" a  b "), "▁a▁▁b▁");
  EXPECT_EQ(StringReplacer("aa", "b").Replace("aaaaa"), "bba");
  EXPECT_EQ(StringReplacer("abab", "").Replace("ababab"), "ab");
  EXPECT_EQ(StringReplacer("x", "y").Replace(""), "");
}

TEST(StringReplacer, EqualsTheDefinitionOnRandomTextsInRandomParts) {
  std::mt19937 random(1);
  const auto word = [&](size_t max_length) {
    std::string text(random() % (max_length + 1), 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 5000; ++round) {
    const std::string pattern = "a" + word(5);
    const std::string text = word(40);
    const StringReplacer replacer(pattern, "-");
    const std::string expected = Oracle(text, pattern, "-");
    EXPECT_EQ(replacer.Replace(text), expected) << pattern << " in " << text;
    std::string out;
    size_t matched = 0;
    for (size_t i = 0; i < text.size();) {
      const size_t length = 1 + random() % 4;
      replacer.Feed(std::string_view(text).substr(i, length), matched, out);
      i += length;
    }
    replacer.Flush(matched, out);
    EXPECT_EQ(out, expected) << pattern << " in " << text;
  }
}

TEST(StringReplacer, SaysHowMuchATextCanGrow) {
  EXPECT_EQ(StringReplacer("a", "bbb").Growth(), 3);
  EXPECT_EQ(StringReplacer("aaa", "b").Growth(), 1);
}

}  // namespace
}  // namespace moiety
