#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace moiety {
namespace {

std::string Encoded(uint32_t code_point) {
  std::string text;
  AppendUtf8(code_point, text);
  return text;
}

bool IsScalar(uint32_t c) { return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF); }

TEST(Utf8, EveryCharacterSurvives) {
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (!IsScalar(c)) continue;
    const std::string text = Encoded(c);
    const Utf8Character decoded = DecodeUtf8(text + "x");
    ASSERT_TRUE(decoded.valid) << c;
    ASSERT_EQ(decoded.code_point, c);
    ASSERT_EQ(static_cast<size_t>(decoded.length), text.size());
  }
}

// All sequences of up to three bytes and those of four with an interesting second byte: valid
// exactly if they are the encoding of a scalar value.
TEST(Utf8, NothingElseIsValid) {
  std::vector<bool> two(1 << 16);
  std::vector<bool> three(1 << 24);
  const auto byte = [](const std::string& text, size_t i) { return static_cast<uint8_t>(text[i]); };
  for (uint32_t c = 0; c <= 0xFFFF; ++c) {
    if (!IsScalar(c)) continue;
    const std::string text = Encoded(c);
    if (text.size() == 2) two[byte(text, 0) << 8 | byte(text, 1)] = true;
    if (text.size() == 3) three[byte(text, 0) << 16 | byte(text, 1) << 8 | byte(text, 2)] = true;
  }
  for (int i = 0; i < 1 << 24; ++i) {
    const char text[3] = {static_cast<char>(i >> 16), static_cast<char>(i >> 8),
                          static_cast<char>(i)};
    const Utf8Character c = DecodeUtf8({text, 3});
    const bool expected = i >> 16 < 0x80 || two[i >> 8] || three[i];
    ASSERT_EQ(c.valid, expected) << i;
    ASSERT_GE(c.length, 1);
    ASSERT_LE(c.length, 3);
  }
  for (int i = 0; i < 1 << 16; ++i) {
    const char text[4] = {static_cast<char>(i >> 8), static_cast<char>(i), '\x80', '\xBF'};
    const Utf8Character c = DecodeUtf8({text, 4});
    const int lead = i >> 8;
    const int second = i & 0xFF;
    if (lead < 0xF0) continue;
    const bool expected = (lead == 0xF0 && second >= 0x90 && second <= 0xBF) ||
                          (lead >= 0xF1 && lead <= 0xF3 && second >= 0x80 && second <= 0xBF) ||
                          (lead == 0xF4 && second >= 0x80 && second <= 0x8F);
    ASSERT_EQ(c.valid, expected) << i;
  }
}

TEST(Utf8, TruncatedMeansThatMoreBytesCouldHelp) {
  for (const char* text : {"\xC3", "\xE2", "\xE2\x82", "\xF0\x9F", "\xF0\x9F\x98"}) {
    const Utf8Character c = DecodeUtf8(text);
    EXPECT_FALSE(c.valid);
    EXPECT_TRUE(c.truncated);
    EXPECT_EQ(static_cast<size_t>(c.length), std::string(text).size());
  }
  for (const char* text : {"\x80", "\xC0", "\xFF", "\xE0\x80", "\xC3x", "\xF5", "\xED\xA0"}) {
    EXPECT_FALSE(DecodeUtf8(text).valid);
    EXPECT_FALSE(DecodeUtf8(text).truncated);
  }
}

// The examples of the Unicode standard, tables 3-8 to 3-11, with ? for U+FFFD; Python's
// bytes.decode("utf-8", "replace") gives the same.
TEST(ToValidUtf8, ReplacesMaximalSubparts) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82"
       "A",
       "????????A"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF"
       "A",
       "????????A"},
      {"\xF4\x91\x92\x93\xFF"
       "A\x80\xBF"
       "B",
       "?????A??B"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
       "A",
       "????A"},
      {"", ""},
      {"abc", "abc"},
      {"\xC3\xA9", "\xC3\xA9"},
      {"\xE2\x82", "?"}};
  for (const auto& [text, marks] : cases) {
    std::string expected;
    for (const char c : marks)
      expected += c == '?' ? std::string(kReplacementCharacter) : std::string(1, c);
    EXPECT_EQ(ToValidUtf8(text), expected);
    EXPECT_TRUE(IsUtf8(expected));
    EXPECT_EQ(IsUtf8(text), text == expected);
  }
}

TEST(CompleteUtf8Prefix, HoldsBackAnUnfinishedCharacter) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
  const std::vector<size_t> expected = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
  for (size_t size = 0; size <= text.size(); ++size) {
    EXPECT_EQ(CompleteUtf8Prefix(text.substr(0, size)), expected[size]) << size;
  }
  // What cannot become a character is not held back.
  for (const std::string bad :
       {"\x80", "\x80\x80\x80\x80", "a\xFF", "\xC0", "\xED\xA0", "\xE2\x82\xAC\x80"}) {
    EXPECT_EQ(CompleteUtf8Prefix(bad), bad.size());
  }
}

TEST(Utf8, CharactersOneByOne) {
  const std::string text = "aé日🙂";
  EXPECT_EQ(CountCharacters(text), 4);
  EXPECT_EQ(CountCharacters(""), 0);
  std::string joined;
  std::vector<uint32_t> code_points;
  ForEachCharacter(text, [&](uint32_t code_point, std::string_view bytes) {
    EXPECT_EQ(bytes.size(), Utf8Length(bytes[0]));
    EXPECT_FALSE(IsUtf8Continuation(bytes[0]));
    for (const char byte : bytes.substr(1)) EXPECT_TRUE(IsUtf8Continuation(byte));
    code_points.push_back(code_point);
    joined += bytes;
  });
  EXPECT_EQ(joined, text);
  EXPECT_EQ(code_points, (std::vector<uint32_t>{0x61, 0xE9, 0x65E5, 0x1F642}));
}

TEST(Utf8, AsciiPrefix) {
  for (size_t length = 0; length < 40; ++length) {
    const std::string ascii(length, 'a');
    EXPECT_EQ(AsciiPrefix(ascii), length);
    EXPECT_EQ(AsciiPrefix(ascii + "\x80" + ascii), length);
    EXPECT_EQ(ValidUtf8Prefix(ascii + "\xC3\xA9" + ascii + "\xFF"), 2 * length + 2);
  }
}

}  // namespace
}  // namespace moiety
