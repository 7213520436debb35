#include "tokenize/ctc.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "decode_pieces.h"

namespace moiety {
namespace {

using nlohmann::json;

json Ctc(bool clean_up) {
  return {{"type", "CTC"},
          {"pad_token", "<pad>"},
          {"word_delimiter_token", "|"},
          {"cleanup", clean_up}};
}

TEST(Ctc, KeepsOneOfEqualPieces) {
  EXPECT_EQ(DecodePieces(Ctc(true), {"<pad>", "<pad>", "h", "e", "e", "l", "l", "<pad>", "l", "o",
                                     "o", "|", "|", "w", "<pad>"}),
            "hello w");
  EXPECT_EQ(DecodePieces(Ctc(false), {"a", "|", "a"}), "a|a");
  EXPECT_EQ(DecodePieces(Ctc(true), {"", "", "a<pad>b", " ."}), "ab.");
  EXPECT_EQ(DecodePieces(Ctc(true), {}), "");
}

TEST(Ctc, Errors) {
  for (const char* key : {"pad_token", "word_delimiter_token"}) {
    json component = Ctc(true);
    component[key] = "";
    EXPECT_EQ(MakeCtc({component, "f"}).status().message(),
              std::string("f: \"") + key + "\" must not be empty");
  }
}

}  // namespace
}  // namespace moiety
