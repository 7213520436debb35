#include "runtime/stop_strings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"

namespace moiety {
namespace {

TEST(StopStrings, WithoutAnyAllTextPasses) {
  for (const std::vector<std::string>& none : {std::vector<std::string>{}, {"", ""}}) {
    StopStrings stops(none);
    EXPECT_EQ(stops.Next("abc"), "abc");
    EXPECT_EQ(stops.Next(""), "");
    EXPECT_FALSE(stops.found());
    EXPECT_EQ(stops.Finish(), "");
  }
}

TEST(StopStrings, EndsBeforeTheString) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.Next("text"), "text");
  EXPECT_EQ(stops.Next(" and END of it"), " and ");
  EXPECT_TRUE(stops.found());
}

TEST(StopStrings, HoldsBackWhatMayBecomeOne) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.Next("the E"), "the ");
  EXPECT_EQ(stops.Next("N"), "");
  EXPECT_EQ(stops.Next("E"), "EN");  // "ENE": the last E may begin another one
  EXPECT_EQ(stops.Next("ND"), "");
  EXPECT_TRUE(stops.found());
}

TEST(StopStrings, FinishGivesWhatWasHeldBack) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.Next("the EN"), "the ");
  EXPECT_FALSE(stops.found());
  EXPECT_EQ(stops.Finish(), "EN");
}

TEST(StopStrings, RepeatedPrefixes) {
  StopStrings stops({"aab"});
  EXPECT_EQ(stops.Next("a"), "");
  EXPECT_EQ(stops.Next("a"), "");
  EXPECT_EQ(stops.Next("a"), "a");
  EXPECT_EQ(stops.Next("b"), "");
  EXPECT_TRUE(stops.found());
}

TEST(StopStrings, TheEarliestWins) {
  StopStrings stops({"later", "now"});
  EXPECT_EQ(stops.Next("right now or later"), "right ");
  StopStrings inside({"bcd", "c"});
  EXPECT_EQ(inside.Next("abcd"), "a");
}

// What has been found stays in the text of the piece before: one string may hide another's
// beginning.
TEST(StopStrings, OneThatEndsFirstStopsTheOther) {
  StopStrings stops({"abcX", "bc"});
  EXPECT_EQ(stops.Next("ab"), "");
  EXPECT_EQ(stops.Next("c"), "a");
  EXPECT_TRUE(stops.found());
}

// Random texts of few letters, so that stop strings and their beginnings are common, in random
// pieces.
TEST(StopStrings, AnySplitGivesTheSame) {
  uint64_t counter = 0;
  const auto random = [&](size_t below) {
    return static_cast<size_t>(UniformDouble(11, 0, counter++) * static_cast<double>(below));
  };
  const auto letters = [&](size_t max) {
    std::string s;
    for (size_t n = 1 + random(max); n > 0; --n) s += static_cast<char>('a' + random(2));
    return s;
  };
  int num_found = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> strings;
    for (size_t n = 1 + random(3); n > 0; --n) strings.push_back(letters(5));
    const std::string text = letters(24);

    // Piece by piece a string is found as soon as it is complete, so of all the one that ends first
    // counts, and of those that end at once the one that begins first.
    size_t stop_end = std::string::npos;
    size_t stop_begin = std::string::npos;
    for (const std::string& s : strings) {
      const size_t at = text.find(s);
      if (at == std::string::npos) continue;
      if (at + s.size() < stop_end || (at + s.size() == stop_end && at < stop_begin)) {
        stop_end = at + s.size();
        stop_begin = at;
      }
    }
    StopStrings stops(strings);
    std::string out;
    for (size_t i = 0; i < text.size() && !stops.found(); ++i) {
      const std::string piece = stops.Next(text.substr(i, 1));
      out += piece;
    }
    EXPECT_EQ(stops.found(), stop_end != std::string::npos);
    if (!stops.found()) out += stops.Finish();
    EXPECT_EQ(out, stops.found() ? text.substr(0, stop_begin) : text);
    num_found += stops.found() ? 1 : 0;

    // Longer pieces: nothing of a stop string is shown, and all text without one is.
    StopStrings in_pieces(strings);
    std::string shown;
    for (size_t i = 0; i < text.size() && !in_pieces.found();) {
      const size_t size = std::min(text.size() - i, random(4));
      shown += in_pieces.Next(text.substr(i, size));
      i += size;
    }
    if (!in_pieces.found()) shown += in_pieces.Finish();
    EXPECT_EQ(in_pieces.found(), stops.found());
    EXPECT_TRUE(text.starts_with(shown));
    if (in_pieces.found()) {
      for (const std::string& s : strings)
        EXPECT_EQ(shown.find(s), std::string::npos) << s << " in " << shown;
      EXPECT_TRUE(std::any_of(strings.begin(), strings.end(), [&](const std::string& s) {
        return text.substr(shown.size()).starts_with(s);
      }));
    } else {
      EXPECT_EQ(shown, text);
    }
  }
  EXPECT_GT(num_found, 500);
  EXPECT_LT(num_found, 2900);
}

}  // namespace
}  // namespace moiety
