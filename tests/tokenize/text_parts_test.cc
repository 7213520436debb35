#include "tokenize/text_parts.h"

#include <gtest/gtest.h>

namespace moiety {
namespace {

TEST(TextParts, EndBeforeALineThatIsNotBlank) {
  EXPECT_EQ(TextPartLength("", 4), 0U);
  EXPECT_EQ(TextPartLength("abc", 4), 3U);
  EXPECT_EQ(TextPartLength("one\ntwo\nthree\n", 4), 8U) << "the first line that ends behind";
  EXPECT_EQ(TextPartLength("one\ntwo\n\n\r\nthree\n", 4), 11U) << "behind all line breaks";
  EXPECT_EQ(TextPartLength("one line without an end", 4), 23U);
  EXPECT_EQ(TextPartLength("line\n\n\n", 2), 7U);
}

}  // namespace
}  // namespace moiety
