#include "tokenize/byte_level.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

// What the pre-tokenizer and the normalizer do to texts is compared with the reference in
// tokenizer_parts_test.cc.

#include "decode_pieces.h"

namespace moiety {
namespace {

using nlohmann::json;

TEST(ByteLevel, Characters) {
  EXPECT_EQ(ByteLevelCharacter('a'), "a");
  EXPECT_EQ(ByteLevelCharacter(' '), "Ġ");
  EXPECT_EQ(ByteLevelCharacter('\n'), "Ċ");
  EXPECT_EQ(ByteLevelCharacter(0xAD), "Ń");
  std::set<std::string_view> all;
  for (int byte = 0; byte < 256; ++byte) all.insert(ByteLevelCharacter(static_cast<uint8_t>(byte)));
  EXPECT_EQ(all.size(), 256U);
}

std::string Decoded(const std::vector<std::string>& pieces) {
  return DecodePieces({{"type", "ByteLevel"}}, pieces);
}

TEST(ByteLevel, DecoderJoinsCharactersOverPieces) {
  EXPECT_EQ(Decoded({"Ġa", "Ã", "©"}), " aé");
  EXPECT_EQ(Decoded({"Ã"}), "\uFFFD");
  EXPECT_EQ(Decoded({"Ã", "a"}), "\uFFFDa");
  EXPECT_EQ(Decoded({}), "");
}

TEST(ByteLevel, PiecesThatAreNoBytesAreText) {
  EXPECT_EQ(Decoded({"Ġa", "日Ġ", "b"}), " a日Ġb");
  EXPECT_EQ(Decoded({"Ã", "日"}), "\uFFFD日");
}

TEST(ByteLevel, PostProcessorFields) {
  const auto error = [](const json& component) {
    return CheckByteLevelFields({component, "f"}).message();
  };
  EXPECT_EQ(error({{"type", "ByteLevel"}, {"trim_offsets", true}}), "");
  EXPECT_EQ(error({{"type", "ByteLevel"}, {"x", true}}),
            "f: field \"x\" is not supported, found true");
}

}  // namespace
}  // namespace moiety
