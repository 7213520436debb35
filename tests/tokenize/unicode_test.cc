#include "tokenize/unicode.h"

#include <gtest/gtest.h>

// Normal forms are compared with the reference in tokenizer_parts_test.cc.
namespace moiety {
namespace {

TEST(Unicode, Classes) {
  for (const uint32_t c : {0x9U, 0x20U, 0x85U, 0xA0U, 0x2003U, 0x3000U})
    EXPECT_TRUE(IsWhiteSpace(c));
  for (const uint32_t c : {0x0U, 0x61U, 0x180EU, 0x200BU, 0xFEFFU}) EXPECT_FALSE(IsWhiteSpace(c));
  for (const uint32_t c : {0x41U, 0x61U, 0xDFU, 0x2B0U, 0x5D0U, 0x4E00U}) EXPECT_TRUE(IsLetter(c));
  for (const uint32_t c : {0x20U, 0x30U, 0x301U, 0x24U, 0x1F642U}) EXPECT_FALSE(IsLetter(c));
  for (const uint32_t c : {0x30U, 0xB2U, 0xBDU, 0x2160U, 0x663U}) EXPECT_TRUE(IsNumber(c));
  for (const uint32_t c : {0x61U, 0x4E00U}) EXPECT_FALSE(IsNumber(c));
  for (const uint32_t c : {0x301U, 0x903U, 0x20DDU}) EXPECT_TRUE(IsMark(c));
  EXPECT_FALSE(IsMark(0x41));
  for (const uint32_t c : {0x24U, 0x2BU, 0x5FU, 0x7EU, 0xBFU, 0x2014U, 0x3002U}) {
    EXPECT_TRUE(IsPunctuationOrAsciiSymbol(c));
  }
  for (const uint32_t c : {0x20U, 0x41U, 0x20ACU, 0x1F642U}) {
    EXPECT_FALSE(IsPunctuationOrAsciiSymbol(c));
  }
}

TEST(Unicode, WhiteSpace) {
  int count = 0;
  for (uint32_t c = 0; c < 0x110000; ++c) count += IsWhiteSpace(c) ? 1 : 0;
  EXPECT_EQ(count, 25);
  EXPECT_TRUE(IsWhiteSpace(0x20));
  EXPECT_TRUE(IsWhiteSpace(0x85));
  EXPECT_TRUE(IsWhiteSpace(0x3000));
  EXPECT_FALSE(IsWhiteSpace(0x200B));
}

TEST(Unicode, WhiteSpaceAround) {
  const std::string_view text = "a \u3000b\t";
  EXPECT_EQ(WhiteSpaceAfter(text, 1), 5U);
  EXPECT_EQ(WhiteSpaceAfter(text, 0), 0U);
  EXPECT_EQ(WhiteSpaceBefore(text, 0, 5), 1U);
  EXPECT_EQ(WhiteSpaceBefore(text, 0, text.size()), 6U);
}

TEST(Unicode, NormalForms) {
  EXPECT_EQ(Normalize("e\u0301x", NormalForm::kNfc), "\u00e9x");
  EXPECT_EQ(Normalize("\u00e9", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(Normalize("\ufb01\u00e9", NormalForm::kNfkc), "fi\u00e9");
  EXPECT_EQ(Normalize("\ufb01\u00e9", NormalForm::kNfkd), "fie\u0301");
  for (const NormalForm form :
       {NormalForm::kNfc, NormalForm::kNfd, NormalForm::kNfkc, NormalForm::kNfkd}) {
    EXPECT_EQ(Normalize("", form), "");
    EXPECT_EQ(Normalize(std::string_view("a\0b", 3), form), std::string_view("a\0b", 3));
  }
}

// A bubble sort of these marks would take hours.
TEST(Unicode, LongRunsOfMarksAreQuick) {
  std::string marks = "a";
  std::string above;
  for (int i = 0; i < 300'000; ++i) {
    marks += "\u0302\u0323";
    above += "\u0302";
  }
  const std::string composed = Normalize(marks, NormalForm::kNfc);
  EXPECT_TRUE(composed.starts_with("\u1ead\u0323"));
  EXPECT_TRUE(composed.ends_with("\u0302"));
}

}  // namespace
}  // namespace moiety
