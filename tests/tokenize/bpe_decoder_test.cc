#include "tokenize/bpe_decoder.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "decode_pieces.h"

namespace moiety {
namespace {

using nlohmann::json;

std::string Decode(const std::vector<std::string>& pieces) {
  return DecodePieces({{"type", "BPEDecoder"}, {"suffix", "</w>"}}, pieces);
}

TEST(BpeDecoder, SuffixesAreSpacesButForTheLastPiece) {
  EXPECT_EQ(Decode({"a", "b</w>", "c</w>d</w>", "e</w>"}), "ab c d e");
  EXPECT_EQ(Decode({"a</w>b</w>"}), "ab");
  EXPECT_EQ(Decode({"a</w>", ""}), "a ");
  EXPECT_EQ(Decode({"a</", "w>"}), "a</w>");
  EXPECT_EQ(Decode({}), "");
}

TEST(BpeDecoder, Errors) {
  const json component = {{"type", "BPEDecoder"}, {"suffix", ""}};
  EXPECT_EQ(MakeBpeDecoder({component, "f"}).status().message(), "f: \"suffix\" must not be empty");
}

}  // namespace
}  // namespace moiety
