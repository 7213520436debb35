#include "tokenize/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <vector>

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Matches(const std::string& pattern, std::string_view text) {
  auto regex = Regex::Compile(pattern, "f");
  EXPECT_TRUE(regex.ok()) << regex.status().message();
  std::vector<std::string> out;
  if (!regex.ok()) return out;
  Regex::Finder finder(*regex);
  finder.Reset(text);
  Regex::Match match;
  while (finder.Next(&match)) {
    out.emplace_back(text.substr(match.begin, match.end - match.begin));
  }
  EXPECT_TRUE(finder.status().ok()) << finder.status().message();
  return out;
}

TEST(Regex, LeftToRightWithoutOverlaps) {
  EXPECT_THAT(Matches("a+|é", "aab éa"), ElementsAre("aa", "é", "a"));
  EXPECT_THAT(Matches("x", "aab"), IsEmpty());
  EXPECT_THAT(Matches("x", ""), IsEmpty());
}

TEST(Regex, EmptyMatches) {
  EXPECT_THAT(Matches("", "aé"), ElementsAre("", "", ""));
  EXPECT_THAT(Matches("a*", "baac"), ElementsAre("", "aa", ""));
}

TEST(Regex, Literal) {
  auto regex = Regex::Literal("a.(", "f");
  ASSERT_TRUE(regex.ok());
  Regex::Finder finder(*regex);
  finder.Reset("aa.(x");
  Regex::Match match;
  ASSERT_TRUE(finder.Next(&match));
  EXPECT_EQ(match.begin, 1U);
  EXPECT_EQ(match.end, 4U);
  EXPECT_FALSE(finder.Next(&match));
}

TEST(Regex, FindersAreReused) {
  auto regex = Regex::Compile("b", "f");
  ASSERT_TRUE(regex.ok());
  Regex::Finder finder(*regex);
  Regex::Match match;
  for (int i = 0; i < 3; ++i) {
    finder.Reset("abb");
    EXPECT_TRUE(finder.Next(&match));
    EXPECT_EQ(match.begin, 1U);
  }
}

TEST(Regex, CatastrophicPatternsAreErrors) {
  auto regex = Regex::Compile("(a+)+$|(?:a|aa)+b", "f: here");
  ASSERT_TRUE(regex.ok());
  Regex::Finder finder(*regex);
  const std::string text = std::string(100, 'a') + "c";
  finder.Reset(text);
  Regex::Match match;
  EXPECT_FALSE(finder.Next(&match));
  EXPECT_EQ(finder.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(finder.status().message(),
              HasSubstr("f: here: the pattern takes too many steps on this text: \"(a+)+$"));
}

// Each of these would take minutes if it were quadratic.
TEST(Regex, LongRunsAreLinear) {
  const std::string letters(4 << 20, 'A');
  const std::string spaces = std::string(1 << 20, ' ') + "x";
  EXPECT_EQ(Matches(R"(\s?\p{L}+)", letters).size(), 1U);
  EXPECT_EQ(
      Matches(R"([\p{Lu}\p{Lo}]*[\p{Ll}\p{Lo}]+|[\p{Lu}\p{Lo}]+[\p{Ll}\p{Lo}]*)", letters).size(),
      1U);
  EXPECT_THAT(Matches(R"(\s+$)", spaces), IsEmpty());
  EXPECT_EQ(Matches(R"(\s+(?!\S)|\s+)", spaces).size(), 2U);
  EXPECT_EQ(Matches(R"((?:ab|c)+)", letters + std::string(4 << 20, 'c')).size(), 1U);
}

TEST(Regex, Errors) {
  const auto error = [](const char* pattern) {
    return Regex::Compile(pattern, "f").status().message();
  };
  EXPECT_EQ(error("(a"), "f: not a regular expression (missing closing parenthesis): \"(a\"");
  EXPECT_THAT(error("\\p{Klingon}"), HasSubstr("unknown property"));
  EXPECT_THAT(error("a**\xFF"), HasSubstr("not UTF-8"));
  const std::string huge = "((a{1,999}){1,999}){1,999}";
  EXPECT_THAT(error(huge.c_str()), HasSubstr("too large"));
}

TEST(Regex, Pattern) {
  const auto load = [](const char* text) {
    const nlohmann::json document = nlohmann::json::parse(text);
    return LoadPattern({document, "f"}).status().message();
  };
  EXPECT_EQ(load(R"({"pattern": {"Regex": "a+"}})"), "");
  EXPECT_EQ(load(R"({"pattern": {"String": "a+"}})"), "");
  EXPECT_THAT(load(R"({"pattern": {"Glob": "a*"}})"), HasSubstr("\"pattern\" must be"));
}

}  // namespace
}  // namespace moiety
