#include "tokenize/unicode_categories.h"

#include <gtest/gtest.h>

namespace moiety {
namespace {

TEST(UnicodeCategories, Samples) {
  for (const uint32_t c : {0x21U, 0x2FU, 0x5FU, 0xA1U, 0x2014U, 0x3001U, 0x166DU}) {
    EXPECT_TRUE(IsPunctuation(c)) << c;
  }
  // Letters, symbols, and what Unicode 9 added.
  for (const uint32_t c : {0U, 0x20U, 0x24U, 0x41U, 0x7EU, 0x2E43U, 0x10FFFFU, UINT32_MAX}) {
    EXPECT_FALSE(IsPunctuation(c)) << c;
  }
  EXPECT_TRUE(IsNonspacingMark(0x300));
  EXPECT_TRUE(IsNonspacingMark(0xE01EF));
  EXPECT_FALSE(IsNonspacingMark(0x2FF));
  EXPECT_FALSE(IsNonspacingMark(0x903));
  EXPECT_TRUE(IsOther(0));
  EXPECT_TRUE(IsOther(0xA));
  EXPECT_TRUE(IsOther(0xAD));
  EXPECT_TRUE(IsOther(0x200B));
  EXPECT_TRUE(IsOther(0x10FFFD));
  EXPECT_FALSE(IsOther(0x10FFFF));  // assigned to nothing
  EXPECT_FALSE(IsOther(0x20));
}

}  // namespace
}  // namespace moiety
