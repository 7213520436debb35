#include "jinja/text.h"

#include <gmock/gmock.h>

#include "jinja/text_edit.h"

namespace moiety::jinja {
namespace {

using testing::ElementsAre;

TEST(Text, CasesThatChangeTheLength) {
  EXPECT_EQ(ToUpper("straße ﬁ"), "STRASSE FI");
  EXPECT_EQ(Capitalize("ßA"), "Ssa");
  EXPECT_EQ(ToLower("ΑΣ Σ İ"), "ας σ i̇");
  EXPECT_EQ(FoldCase("Straße"), "strasse");
  EXPECT_EQ(TitleCase("they're here"), "They'Re Here");
}

TEST(Text, StripsUnicodeSpaces) {
  EXPECT_EQ(StripLeft("\u3000 \t\x1Fx "), "x ");
  EXPECT_EQ(StripRight(" x\u2028\u00A0"), " x");
  const std::string chars = "é";
  EXPECT_EQ(StripRight("aéé", &chars), "a");
}

TEST(Text, SubstringsCountCodePoints) {
  const StringObject text("aé日🙂b");
  EXPECT_EQ(Substring(text, 1, 4), "é日🙂");
  EXPECT_EQ(Substring(text, 4, 5), "b");
  EXPECT_EQ(Substring(text, 3, 3), "");
  EXPECT_EQ(ByteOffset(text, 5), text.text.size());
}

TEST(Text, Lines) {
  Runtime run("t", {}, std::nullopt);
  EXPECT_THAT(SplitLines(run, "a\r\nb\rc\n\nd\u2028e"), ElementsAre("a", "b", "c", "", "d", "e"));
  EXPECT_THAT(SplitLines(run, "a\n", true), ElementsAre("a\n"));
  EXPECT_THAT(SplitLines(run, ""), ElementsAre());
}

}  // namespace
}  // namespace moiety::jinja
