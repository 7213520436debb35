#include "tokenize/stand_ins.h"

#include <gtest/gtest.h>

#include <string>

#include "base/utf8.h"

// That expressions see characters as the reference does is tested by
// tests/goldens/compare_tokenizers.py for every code point, and by tokenizer_parts_test.cc for
// some.
namespace moiety {
namespace {

std::string Utf8(uint32_t code_point) {
  std::string out;
  AppendUtf8(code_point, out);
  return out;
}

TEST(StandIns, HaveAsManyBytesAndStandForThemselves) {
  int replaced = 0;
  for (uint32_t c = 0; c < 0x110000; ++c) {
    const uint32_t stand_in = StandIn(c);
    if (stand_in == c) continue;
    ++replaced;
    EXPECT_EQ(Utf8(stand_in).size(), Utf8(c).size()) << c;
    EXPECT_EQ(StandIn(stand_in), stand_in) << c;
  }
  EXPECT_GT(replaced, 9'000);
}

TEST(StandIns, Samples) {
  for (const uint32_t c : {0x41U, 0xE9U, 0x4E00U, 0xAC00U, 0x1F642U, 0x20000U}) {
    EXPECT_EQ(StandIn(c), c);
  }
  EXPECT_EQ(StandIn(0x31350), StandIn(0x2EBF0));  // two newer blocks of Chinese characters
  EXPECT_NE(StandIn(0x10D40), 0x10D40U);          // a digit of Unicode 16
  EXPECT_EQ(StandIn(0x3040), 0x3040U);            // not assigned
}

}  // namespace
}  // namespace moiety
