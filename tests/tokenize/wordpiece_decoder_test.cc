#include "tokenize/wordpiece_decoder.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;

std::string Decode(const json& component, const std::vector<std::string>& pieces) {
  const auto decoders = LoadDecoders({component, "f"});
  if (!decoders.ok()) return "error: " + decoders.status().message();
  std::string out;
  const auto stage = StartDecoding(*decoders, out);
  for (const std::string& piece : pieces) {
    stage->Text(piece.substr(0, piece.size() / 2));  // a piece may come in parts
    stage->Text(piece.substr(piece.size() / 2));
    stage->EndPiece();
  }
  stage->Finish();
  return out;
}

json WordPiece(bool clean_up) {
  return {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", clean_up}};
}

TEST(WordPieceDecoder, JoinsPieces) {
  EXPECT_EQ(Decode(WordPiece(false), {"##uelo", "Ara", "##uj", "##o", "No", "##", "x##"}),
            "##uelo Araujo No x##");
  EXPECT_EQ(Decode(WordPiece(false), {"", "", "."}), "  .");
  EXPECT_EQ(Decode(WordPiece(false), {}), "");
  EXPECT_EQ(Decode({{"type", "WordPiece"}, {"prefix", ""}, {"cleanup", false}}, {"a", "b"}), "ab");
}

TEST(WordPieceDecoder, CleansUpPieceByPiece) {
  EXPECT_EQ(Decode(WordPiece(true), {"a", ".", "b", ",", "do", "not", "'", "s", "'s"}),
            "a. b, do not ' s's");
  EXPECT_EQ(Decode(WordPiece(true), {"do not . ' x"}), "do not.'x");
  EXPECT_EQ(CleanUpSpaces(" do not 've . n't"), " don't've.n't");
  EXPECT_EQ(CleanUpSpaces("  . .."), " ...");
}

TEST(WordPieceDecoder, Errors) {
  EXPECT_EQ(Decode({{"type", "WordPiece"}, {"prefix", "##"}}, {}),
            "error: f: \"cleanup\" is missing");
  json many = {{"type", "Sequence"}, {"decoders", json::array()}};
  for (int i = 0; i < 7; ++i) many["decoders"].push_back(WordPiece(true));
  EXPECT_EQ(Decode(many, {}),
            "error: f: would make a text up to 128 times longer, more than 64 times");
}

}  // namespace
}  // namespace moiety
