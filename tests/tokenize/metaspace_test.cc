#include "tokenize/metaspace.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "decode_pieces.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;

json Metaspace(const std::string& scheme, bool split = true) {
  return {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", split}};
}

std::vector<std::string> CutSpaces(const json& component, const std::vector<std::string>& parts,
                                   bool starts_text = true) {
  const auto metaspace = MakeMetaspacePreTokenizer({component, "f"});
  if (!metaspace.ok()) return {"error: " + metaspace.status().message()};
  Words words{"", {}, starts_text};
  for (const std::string& part : parts) {
    words.text += part;
    words.ends.push_back(words.text.size());
  }
  EXPECT_TRUE((*metaspace)->Apply(words).ok());
  std::vector<std::string> result;
  size_t begin = 0;
  for (const size_t end : words.ends) {
    result.push_back(words.text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, words.text.size());
  return result;
}

TEST(MetaspacePreTokenizer, CutsBeforeEachReplacement) {
  EXPECT_THAT(CutSpaces(Metaspace("always"), {"Hey   friend!"}),
              ElementsAre("▁Hey", "▁", "▁", "▁friend!"));
  EXPECT_THAT(CutSpaces(Metaspace("always"), {" a "}), ElementsAre("▁a", "▁"));
  EXPECT_THAT(CutSpaces(Metaspace("always"), {"▁a▁b"}), ElementsAre("▁a", "▁b"));
  EXPECT_THAT(CutSpaces(Metaspace("always"), {"\xE2\x96\x80 x"}),
              ElementsAre("▁\xE2\x96\x80", "▁x"));
  EXPECT_THAT(CutSpaces(Metaspace("always", false), {"a b"}), ElementsAre("▁a▁b"));
  EXPECT_THAT(CutSpaces(Metaspace("never"), {"a b"}), ElementsAre("a", "▁b"));
  EXPECT_THAT(CutSpaces(Metaspace("always"), {}), ElementsAre());
}

TEST(MetaspacePreTokenizer, FirstIsTheStartOfTheText) {
  EXPECT_THAT(CutSpaces(Metaspace("first"), {"a", "b"}), ElementsAre("▁a", "b"));
  EXPECT_THAT(CutSpaces(Metaspace("first"), {"a", "b"}, false), ElementsAre("a", "b"));
  EXPECT_THAT(CutSpaces(Metaspace("always"), {"a", "b"}, false), ElementsAre("▁a", "▁b"));
}

TEST(MetaspacePreTokenizer, OldFiles) {
  const json old = {
      {"type", "Metaspace"}, {"replacement", "_"}, {"str_rep", "_"}, {"add_prefix_space", true}};
  EXPECT_THAT(CutSpaces(old, {"a b"}), ElementsAre("_a", "_b"));
  json never = old;
  never["add_prefix_space"] = false;
  EXPECT_THAT(CutSpaces(never, {"a b"}), ElementsAre("a", "_b"));
}

TEST(Metaspace, Errors) {
  const auto error = [](const char* key, const json& value) {
    json component = Metaspace("first");
    component[key] = value;
    const std::string message = MakeMetaspacePreTokenizer({component, "f"}).status().message();
    EXPECT_EQ(MakeMetaspaceDecoder({component, "f"}).status().message(), message);
    return message;
  };
  EXPECT_EQ(error("replacement", "ab"), "f: \"replacement\" must be one character, found \"ab\"");
  EXPECT_EQ(error("replacement", ""), "f: \"replacement\" must be one character, found \"\"");
  EXPECT_EQ(error("prepend_scheme", "last"),
            "f: \"prepend_scheme\" must be \"always\", \"first\" or \"never\", found \"last\"");
  EXPECT_EQ(error("add_prefix_space", false),
            "f: \"add_prefix_space\" must be true with \"prepend_scheme\" \"first\", found false");
  EXPECT_EQ(error("x", 1), "f: field \"x\" is not supported, found 1");
}

TEST(MetaspaceDecoder, FirstPieceLosesItsReplacements) {
  EXPECT_EQ(DecodePieces(Metaspace("always"), {"▁Hey▁x", "▁friend!", "▁"}), "Heyx friend! ");
  EXPECT_EQ(DecodePieces(Metaspace("first"), {"▁▁", "▁a"}), " a");
  EXPECT_EQ(DecodePieces(Metaspace("first"), {"", "▁a"}), " a");
  EXPECT_EQ(DecodePieces(Metaspace("never"), {"▁Hey", "▁friend!"}), " Hey friend!");
  EXPECT_EQ(DecodePieces(Metaspace("never"), {}), "");
}

}  // namespace
}  // namespace moiety
