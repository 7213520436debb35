#include "tokenize/regex_dialect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// What patterns match is compared with the reference in tokenizer_parts_test.cc.
namespace moiety {
namespace {

using testing::HasSubstr;

std::string Translated(const std::string& pattern) {
  auto translated = ToPcre2(pattern, "f");
  EXPECT_TRUE(translated.ok()) << translated.status().message();
  return translated.ok() ? *translated : "";
}

std::string Error(const std::string& pattern) {
  const Status status = ToPcre2(pattern, "f").status();
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kUnsupported);
  return status.message();
}

TEST(RegexDialect, WhatIsTheSameStays) {
  for (const char* pattern : {"a|b*c+?d{2,3}", " ?\\p{L}+", "(?i:'s)|(?!a)(?<=b)(?<!c)(?>d)", "é日",
                              "[a-z\\r\\n]", "\\A\\z\\Z\\R\\X", "(a)\\1", "(?<name>a)"}) {
    EXPECT_EQ(Translated(pattern), pattern);
  }
}

TEST(RegexDialect, WhatDiffers) {
  EXPECT_EQ(Translated("(?m:a.)"), "(?s:a.)");
  EXPECT_EQ(Translated("a{,2}"), "a{0,2}");
  EXPECT_EQ(Translated("a{x}"), "a\\{x}");
  EXPECT_EQ(Translated("\\h\\H"), "[0-9A-Fa-f][^0-9A-Fa-f]");
  EXPECT_EQ(Translated("\\p{^Letter}"), "\\P{L}");
  EXPECT_EQ(Translated("[\\P{L}x]"), "[\\P{L}x]");
  EXPECT_EQ(Translated("\\u00e9\\v"), "\\x{00e9}\\x{b}");
  EXPECT_EQ(Translated("[a-z&&[^b]]"), "(?:(?=[a-z])[^b])");
  EXPECT_EQ(Translated("[^a&&b]"), "(?:(?!(?=[a])[b])(?s:.))");
  EXPECT_EQ(Translated("[a[bc]]"), "(?:(?:[a]|[bc]))");
  EXPECT_EQ(Translated("[]^a]"), "[\\]\\^a]");
}

TEST(RegexDialect, WhatIsRefused) {
  EXPECT_EQ(Error("a\\Gb"), "f: the pattern has \"\\G\", which is not supported: \"a\\\\Gb\"");
  EXPECT_THAT(Error("a{1,3}+"), HasSubstr("\"{…}+\""));
  EXPECT_THAT(Error("(*UTF)a"), HasSubstr("\"(*\""));
  EXPECT_THAT(Error("(?~a)"), HasSubstr("\"(?~\""));
  EXPECT_THAT(Error("[[:alpha:]]"), HasSubstr("\"[:\""));
  EXPECT_THAT(Error("\\p{Alnum}"), HasSubstr("\\p{Alnum}"));
  EXPECT_THAT(Error("\\pL"), HasSubstr("\\p without"));
  EXPECT_THAT(Error("[a"), HasSubstr("a class without its end"));
  EXPECT_THAT(Error("[^&&a]"), HasSubstr("an empty class"));
  EXPECT_THAT(Error("a\\"), HasSubstr("a backslash at its end"));
  EXPECT_THAT(Error("\\x80"), HasSubstr("no character"));
  EXPECT_THAT(Error("\\Ka"), HasSubstr("\"\\K\""));
  EXPECT_THAT(Error(std::string(100, '[')), HasSubstr("nested too deeply"));
  EXPECT_THAT(Error(std::string(40000, 'a')), HasSubstr("more than 32768 bytes"));
}

}  // namespace
}  // namespace moiety
