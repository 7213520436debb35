#include "tokenize/unicode_lowercase.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace moiety {
namespace {

TEST(UnicodeLowercase, CharacterByCharacter) {
  EXPECT_EQ(UnicodeLowercase("The ÀÉ ΣΑΣ ß ẞ 日本 🙂"),
            "the àé σασ ß ß 日本 🙂");
  EXPECT_EQ(UnicodeLowercase("İI"), "i\u0307i");
  EXPECT_EQ(UnicodeLowercase(""), "");
}

TEST(UnicodeLowercase, CharactersOfUnicode16And17) {
  EXPECT_EQ(UnicodeLowercase("\u1C89\uA7CB\uA7CC\uA7DC"), "\u1C8A\u0264\uA7CD\u019B");
  EXPECT_EQ(UnicodeLowercase("\U00010D50\U00010D65"), "\U00010D70\U00010D85");
  EXPECT_EQ(UnicodeLowercase("\U00016EA0\U00016EB8"), "\U00016EBB\U00016ED3");
}

TEST(UnicodeLowercase, GrowsByHalfAtMost) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    AppendUtf8(c, text);
    const std::string lower = UnicodeLowercase(text);
    EXPECT_LE(2 * lower.size(), 3 * text.size()) << c;
    EXPECT_TRUE(IsUtf8(lower)) << c;
  }
}

}  // namespace
}  // namespace moiety
