#include "base/format.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace moiety {
namespace {

TEST(Format, FillsIn) {
  EXPECT_EQ(Format("layer {}: {:.2f} {:>4}|", 3, 1.5, "x"), "layer 3: 1.50    x|");
  EXPECT_EQ(Format("{{}}"), "{}");
}

TEST(FormatBytes, HasThreeDigitsAndDecimalUnits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.00 kB");
  EXPECT_EQ(FormatBytes(1024), "1.02 kB");
  EXPECT_EQ(FormatBytes(9994), "9.99 kB");
  EXPECT_EQ(FormatBytes(9996), "10.0 kB");
  EXPECT_EQ(FormatBytes(18'100'000), "18.1 MB");
  EXPECT_EQ(FormatBytes(999'400), "999 kB");
  EXPECT_EQ(FormatBytes(999'600), "1.00 MB");
  EXPECT_EQ(FormatBytes(26'400'000'000), "26.4 GB");
  EXPECT_EQ(FormatBytes(5'000'000'000'000), "5.00 TB");
  EXPECT_EQ(FormatBytes(UINT64_MAX), "18446744 TB");
}

TEST(FormatCount, HasThreeDigits) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(105), "105");
  EXPECT_EQ(FormatCount(9'050'000), "9.05 M");
  EXPECT_EQ(FormatCount(46'700'000'000), "46.7 B");
}

TEST(ParseBytes, ReadsDecimalAndBinaryUnits) {
  const std::vector<std::pair<const char*, uint64_t>> cases = {{"0", 0},
                                                               {"123456", 123456},
                                                               {"8G", 8'000'000'000},
                                                               {"512M", 512'000'000},
                                                               {"1.5GiB", 3ULL << 29},
                                                               {"1Ki", 1024},
                                                               {"2kB", 2000},
                                                               {"7b", 7},
                                                               {"1T", 1'000'000'000'000},
                                                               {"4KIB", 4096},
                                                               {"0.5k", 500},
                                                               {"8g", 8'000'000'000}};
  for (const auto& [text, expected] : cases) {
    uint64_t bytes = 1;
    EXPECT_TRUE(ParseBytes(text, &bytes)) << text;
    EXPECT_EQ(bytes, expected) << text;
  }
}

TEST(ParseBytes, RefusesAnythingElse) {
  for (const char* text : {"", "G", "-1", "+1", " 1", "1 ", "1X", "1GG", "1i", "1iB", "1e300",
                           "nan", "inf", "10000000T", ".5G", "1Gi1"}) {
    uint64_t bytes = 42;
    EXPECT_FALSE(ParseBytes(text, &bytes)) << text;
    EXPECT_EQ(bytes, 42U) << text;
  }
}

}  // namespace
}  // namespace moiety
