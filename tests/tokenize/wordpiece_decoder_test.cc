#include "tokenize/wordpiece_decoder.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "decode_pieces.h"

namespace moiety {
namespace {

using nlohmann::json;

json WordPiece(bool clean_up) {
  return {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", clean_up}};
}

TEST(WordPieceDecoder, JoinsPieces) {
  EXPECT_EQ(DecodePieces(WordPiece(false), {"##uelo", "Ara", "##uj", "##o", "No", "##", "x##"}),
            "##uelo Araujo No x##");
  EXPECT_EQ(DecodePieces(WordPiece(false), {"", "", "."}), "  .");
  EXPECT_EQ(DecodePieces(WordPiece(false), {}), "");
  EXPECT_EQ(DecodePieces({{"type", "WordPiece"}, {"prefix", ""}, {"cleanup", false}}, {"a", "b"}),
            "ab");
}

TEST(WordPieceDecoder, CleansUpPieceByPiece) {
  EXPECT_EQ(DecodePieces(WordPiece(true), {"a", ".", "b", ",", "do", "not", "'", "s", "'s"}),
            "a. b, do not ' s's");
  EXPECT_EQ(DecodePieces(WordPiece(true), {"do not . ' x"}), "do not.'x");
  EXPECT_EQ(CleanUpSpaces(" do not 've . n't"), " don't've.n't");
  EXPECT_EQ(CleanUpSpaces("  . .."), " ...");
}

TEST(WordPieceDecoder, Errors) {
  EXPECT_EQ(DecodePieces({{"type", "WordPiece"}, {"prefix", "##"}}, {}),
            "error: f: decoder: \"cleanup\" is missing");
  json many = {{"type", "Sequence"}, {"decoders", json::array()}};
  for (int i = 0; i < 7; ++i) many["decoders"].push_back(WordPiece(true));
  EXPECT_EQ(DecodePieces(many, {}),
            "error: f: decoder: would make a text up to 128 times longer, more than 64 times");
}

}  // namespace
}  // namespace moiety
