// What the table does to texts is in golden_test.cc; here are tables that are broken.
#include "tokenize/precompiled.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "io/mapped_file.h"

namespace moiety {
namespace {

using nlohmann::json;

Result<std::unique_ptr<const Normalizer>> Make(const json& map) {
  const json component = {{"type", "Precompiled"}, {"precompiled_charsmap", map}};
  return MakePrecompiled({component, "f"});
}

std::string Base64(const std::string& bytes) {
  const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : digits[bits >> (18 - 6 * k) & 63];
    }
  }
  return text;
}

std::string Unit(uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> 8 * i);
  return bytes;
}

// The key "a": the root's children are at 512 (a multiple of 256, bit 9 set), 'a' is at 512 ^ 'a'
// and its value at `leaf_offset` from there.
std::string MapOfA(const std::string& texts, uint32_t value, uint32_t leaf_offset = 1) {
  std::vector<uint32_t> units(768, 0);
  units[0] = 2U << 10 | 1U << 9;
  units[512 ^ 'a'] = leaf_offset << 10 | 1U << 8 | 'a';
  units[512 ^ 'a' ^ 1] = value | 1U << 31;
  std::string bytes = Unit(4 * 768);
  for (const uint32_t unit : units) bytes += Unit(unit);
  return bytes + texts;
}

std::string Normalize(const std::string& map, std::string text) {
  const auto normalizer = Make(Base64(map));
  if (!normalizer.ok()) return "error: " + normalizer.status().message();
  EXPECT_TRUE((*normalizer)->Apply(text).ok());
  return text;
}

TEST(Precompiled, ReplacesByWhatTheShortestKeySays) {
  EXPECT_EQ(Normalize(MapOfA(std::string("X\0YZ\0", 5), 0), "banana"), "bXnXnX");
  EXPECT_EQ(Normalize(MapOfA(std::string("X\0YZ\0", 5), 2), "banana"), "bYZnYZnYZ");
  EXPECT_EQ(Normalize(MapOfA(std::string("X\0YZ", 4), 3), "a"), "Z");  // ended by the end
  EXPECT_EQ(Normalize(MapOfA("", 0), "banana"), "bnn");
  // A cluster of less than six bytes goes as a whole, a longer one character by character.
  EXPECT_EQ(Normalize(MapOfA("X", 0), "a\u0301"), "X");
  EXPECT_EQ(Normalize(MapOfA("X", 0), "a\u0301\u0302"), "X");
  EXPECT_EQ(Normalize(MapOfA("X", 0), "a\u0301\u0302\u0303"), "X\u0301\u0302\u0303");
  EXPECT_EQ(Normalize(MapOfA("X", 0), std::string("a\0a", 3)), std::string("X\0X", 3));
  EXPECT_EQ(Normalize(MapOfA("X", 0), ""), "");
}

TEST(Precompiled, Growth) {
  EXPECT_EQ((*Make(Base64(MapOfA("", 0))))->Growth(), 1);
  EXPECT_EQ((*Make(Base64(MapOfA("12345678", 3))))->Growth(), 5);
}

TEST(Precompiled, Errors) {
  const std::string trie =
      "error: f: \"precompiled_charsmap\" must be a trie and what it points to";
  for (const std::string& map :
       {std::string(), std::string("abc"), Unit(0), Unit(4), Unit(UINT32_MAX) + Unit(0),
        Unit(4) + "ab", MapOfA("X", 2), MapOfA("é", 1), MapOfA("X", 0, 1U << 20), MapOfA("\xFF", 0),
        MapOfA("X", (1U << 31) - 1)}) {
    EXPECT_EQ(Normalize(map, "a"), trie);
  }
  EXPECT_EQ(Normalize(MapOfA("X", 1), "a"), "");  // at the end is inside
  for (const char* text : {"a", "AB=C", "AAA", "A===", "AB==", "AAAA====", "AA\nA", "é", "AA-_"}) {
    EXPECT_THAT(Make(text).status().message(), testing::HasSubstr("must be bytes in base64"))
        << text;
  }
  EXPECT_EQ(Make(3).status().message(), "f: \"precompiled_charsmap\" must be a string, found 3");
}

// Whatever one byte of a map is, it loads or is an error, and no look-up leaves it.
TEST(Precompiled, BrokenMapsAreHarmless) {
  const std::string map = MapOfA("X", 0);
  for (size_t i = 0; i < map.size(); i += i < 8 ? 1 : 97) {
    for (const int value : {0, 1, 2, 97, 255}) {
      std::string broken = map;
      broken[i] = static_cast<char>(value);
      Normalize(broken, "banana é\u0301 日本語 🙂 a");
    }
  }
}

}  // namespace
}  // namespace moiety
