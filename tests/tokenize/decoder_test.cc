#include "tokenize/decoder.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "decode_pieces.h"

namespace moiety {
namespace {

using nlohmann::json;
using Pieces = std::vector<std::string>;

Result<Decoders> LoadFrom(const std::string& text) {
  return LoadDecoders({json::parse(text), "f: decoder"});
}

std::string Decode(const std::string& component, const Pieces& pieces) {
  return DecodePieces(json::parse(component), pieces);
}

std::string Sequence(const std::string& decoders) {
  return R"({"type": "Sequence", "decoders": [)" + decoders + "]}";
}

TEST(Decoder, NullJoinsWithSpaces) {
  EXPECT_EQ(Decode("null", {"a", "", "b"}), "a  b");
  EXPECT_EQ(Decode("null", {}), "");
  EXPECT_EQ(Decode(Sequence(""), {"a", "b"}), "ab");
}

TEST(Decoder, ReplaceWorksPieceByPiece) {
  const std::string replace = R"({"type": "Replace", "pattern": {"String": "ab"}, "content": "x"})";
  EXPECT_EQ(Decode(replace, {"aab", "a", "b", "ba"}), "axabba");
  EXPECT_EQ(Decode(Sequence(R"({"type": "Fuse"}, )" + replace), {"aab", "a", "b", "ba"}), "axxba");
}

TEST(Decoder, ByteFallback) {
  const std::string bytes = R"({"type": "ByteFallback"})";
  EXPECT_EQ(Decode(bytes, {"a", "<0xC3>", "<0xa9>", "b"}), "aéb");
  EXPECT_EQ(Decode(bytes, {"<0x41>"}), "A");
  // A run that is not valid as a whole is one U+FFFD per byte, also for those that are.
  EXPECT_EQ(Decode(bytes, {"<0x41>", "<0xC3>"}), "\uFFFD\uFFFD");
  EXPECT_EQ(Decode(bytes, {"<0xC3>", "", "<0xA9>"}), "\uFFFD\uFFFD");
  for (const char* text : {"<0x4>", "<0x4G>", "<0x411>", "0x41>", "<0x41", "<0x410"}) {
    EXPECT_EQ(Decode(bytes, {text}), text);
  }
  // Each U+FFFD is a piece of its own, a valid run is one piece.
  const std::string strip = R"({"type": "Strip", "content": " ", "start": 1, "stop": 0})";
  EXPECT_EQ(Decode(Sequence(bytes + "," + strip), {"<0x20>", "<0x20>", " a"}), " a");
  // A piece may become a byte only by what comes before.
  EXPECT_EQ(
      Decode(
          Sequence(R"({"type": "Replace", "pattern": {"String": "_"}, "content": "<0x"},)" + bytes),
          {"_41>", "_42>"}),
      "AB");
}

TEST(Decoder, Strip) {
  const std::string strip = R"({"type": "Strip", "content": "é", "start": 1, "stop": 2})";
  EXPECT_EQ(Decode(strip, {"ééaéééé"}), "éaéé");
  EXPECT_EQ(Decode(strip, {"aé", "éa"}), "aa");
  EXPECT_EQ(Decode(strip, {"é", "éé", "ééé", "éééé"}), "é");
  const std::string fuse = R"({"type": "Fuse"}, )";
  EXPECT_EQ(Decode(Sequence(fuse + strip), {"é", "é", "aé", "é", "é", "b", "é", "éé", ""}),
            "éaééébé");
  EXPECT_EQ(Decode(Sequence(fuse + strip), {}), "");
}

TEST(Decoder, LlamaStyle) {
  const std::string llama = Sequence(
      R"({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
         {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})");
  EXPECT_EQ(Decode(llama, {"▁the", "▁", "▁cat", "<0x0A>"}), "the  cat\n");
  EXPECT_EQ(Decode(llama, {"<0x20>", "▁a"}), " a");
}

TEST(Decoder, Errors) {
  const auto error = [](const std::string& text) { return LoadFrom(text).status().message(); };
  EXPECT_THAT(error(R"({"type": "Blender"})"),
              testing::StartsWith("f: decoder: type \"Blender\" is not supported (only B"));
  EXPECT_EQ(error(R"({"type": "Fuse", "x": 1})"),
            "f: decoder: field \"x\" is not supported, found 1");
  EXPECT_EQ(error(R"({"type": "Strip", "content": "ab", "start": 0, "stop": 0})"),
            "f: decoder: \"content\" must be one character, found \"ab\"");
  EXPECT_EQ(error(R"({"type": "Strip", "content": "", "start": 0, "stop": 0})"),
            "f: decoder: \"content\" must be one character, found \"\"");
  EXPECT_EQ(error(R"({"type": "Strip", "content": "a", "start": -1, "stop": 0})"),
            "f: decoder: \"start\" must be an integer from 0 to 9223372036854775807, found -1");
  EXPECT_EQ(error(R"({"type": "Strip", "content": "a", "start": 1})"),
            "f: decoder: \"stop\" is missing");
  EXPECT_EQ(error(R"({"type": "Replace", "pattern": {"Regex": "a"}, "content": ""})"),
            "f: decoder: \"pattern\" of kind \"Regex\" is not supported, found {\"Regex\":\"a\"}");
  EXPECT_EQ(error(Sequence("3")), "f: decoder.decoders[0] must be an object, found 3");
}

}  // namespace
}  // namespace moiety
