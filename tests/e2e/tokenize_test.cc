// moiety tokenize.
#include <gmock/gmock.h>

#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Tokenize, ListsIdsAndPieces) {
  const ProcessResult result = Moiety({"tokenize", Starter().string(), "Il était une fois"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "       1  <s>\n"
            "     825  ▁Il\n"
            "    1199  ▁était\n"
            "     793  ▁une\n"
            "    3072  ▁fois\n");
}

TEST(Tokenize, ShowsControlCharactersAsEscapes) {
  EXPECT_EQ(Moiety({"tokenize", Starter().string(), "\n", "--no-special"}).out, "     699  ▁\\n\n");
}

TEST(Tokenize, JsonHasIdsAndPieces) {
  const json document = json::parse(
      Moiety({"tokenize", Starter().string(), "Il était", "--json", "--no-special"}).out);
  EXPECT_EQ(document, json::parse(R"({"ids": [825, 1199], "pieces": ["▁Il", "▁était"]})"));
}

TEST(Tokenize, ReadsEveryByteOfStandardInput) {
  ProcessOptions options;
  options.input = std::string("Il\0 était\n", 11);
  for (const bool flag : {false, true}) {
    std::vector<std::string> arguments = {"tokenize", Starter().string(), "--json", "--no-special"};
    if (flag) arguments.emplace_back("--stdin");
    const ProcessResult result = Moiety(arguments, options);
    EXPECT_EQ(result.exit_code, 0);
    const json document = json::parse(result.out);
    EXPECT_THAT(document["pieces"], testing::ElementsAre("▁Il", "<0x00>", "▁était", "\n"));
  }
}

TEST(Tokenize, EmptyTextHasTheSpecialTokenOnly) {
  EXPECT_EQ(Moiety({"tokenize", Starter().string(), ""}).out, "       1  <s>\n");
  EXPECT_EQ(Moiety({"tokenize", Starter().string(), "", "--no-special"}).out, "");
}

TEST(Tokenize, TextThatLooksLikeAFlag) {
  const json document = json::parse(
      Moiety({"tokenize", Starter().string(), "--json", "--no-special", "--", "--help"}).out);
  EXPECT_FALSE(document["ids"].empty());
}

TEST(Tokenize, InvalidUtf8IsReadAsReplacementCharacter) {
  const json bad = json::parse(Moiety({"tokenize", Starter().string(), "a\xFF", "--json"}).out);
  const json good =
      json::parse(Moiety({"tokenize", Starter().string(), "a\xEF\xBF\xBD", "--json"}).out);
  EXPECT_EQ(bad, good);
}

TEST(Tokenize, Errors) {
  const ProcessResult missing =
      Moiety({"tokenize", SourcePath("tests/data/models/qwen2").string(), "text"});
  ExpectError(missing, 1);
  EXPECT_THAT(missing.err, HasSubstr("qwen2/tokenizer.json: cannot open"));
  ExpectError(Moiety({"tokenize", Starter().string(), "text", "--stdin"}), 2);
  ExpectError(Moiety({"tokenize"}), 2);
}

}  // namespace
}  // namespace moiety
