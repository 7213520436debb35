#include "format/toml.h"

#include <gmock/gmock.h>

#include <string>

namespace moiety {
namespace {

using testing::HasSubstr;

const std::string kE = "\xC3\xA9";             // é
const std::string kFace = "\xF0\x9F\x98\x80";  // beyond 16 bits

// The string `a` of a document; an error's message instead.
std::string TomlText(const std::string& document) {
  const auto table = ParseToml(document, "x");
  if (!table.ok()) return table.status().message();
  const auto* text = table->get_as<std::string>("a");
  return text == nullptr ? "no text" : text->get();
}

TEST(Toml, ReadsTextsBeyondAscii) {
  EXPECT_EQ(TomlText("a = \"" + kE + "\\\\" + kFace + "\\\"\" # \"" + kE + "'\n# '" + kE),
            kE + "\\" + kFace + "\"");
  EXPECT_EQ(TomlText("a = '" + kE + "\\u0041\"\t'"), kE + "\\u0041\"\t");
  EXPECT_EQ(TomlText("a = 'plain\\'"), "plain\\");
  EXPECT_EQ(TomlText("a = \"\"\"\n1" + kE + "\"\"\\\n   " + kE + "\"\"\"\"\" # " + kE),
            "1" + kE + "\"\"" + kE + "\"\"");
  EXPECT_EQ(TomlText("a = '''x''''' # " + kE), "x''");
  EXPECT_EQ(TomlText("\xEF\xBB\xBF"
                     "a = \"\""),
            "");
  const auto table = ParseToml("[\"" + kE + "\".'" + kFace + "\"']\nb = 1", "x");
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ((*table)[kE][kFace + "\""]["b"].value<int64_t>(), 1);
}

TEST(Toml, RefusesCharactersBeyondAsciiElsewhere) {
  for (const std::string& text :
       {kE, "a = " + kE, "a" + kE + " = 1", "[" + kE + "]", "a = \"\" " + kE, "a = '\\' " + kE,
        "a = \"\\\"\" " + kE, "a = \"\\" + kE + "\"", "a = \"\"\"x\"\"\"\" " + kE,
        "a = '''x''''' " + kE, "a = '''" + kE + "'''", "a = '" + kE, "a = 1.5 " + kE}) {
    EXPECT_THAT(TomlText(text), HasSubstr("x: not valid TOML at line 1: a character beyond ASCII"))
        << text;
  }
  EXPECT_THAT(TomlText("# " + kE + "\n\n" + kE), HasSubstr("at line 3"));
  EXPECT_THAT(TomlText("a = \"x\n" + kE), HasSubstr("at line 2"));
  // In what looks like a string but is none, the parser finds its own error.
  EXPECT_THAT(TomlText("a = 25[\"" + kE + "\""), HasSubstr("not valid TOML at line 1, column"));
}

TEST(Toml, RefusesWhatIsNotToml) {
  for (const std::string text : {"[=", "[[=]]", "[.a]", "[a.=]", "[\x01]", "= 1", "{", "a.=1",
                                 "a = 1 b", "a = \"\x01\"", "a = 1\x7F"}) {
    EXPECT_THAT(TomlText(text), HasSubstr("x: not valid TOML at line 1, column ")) << text;
  }
  EXPECT_THAT(TomlText(std::string("[\0]", 3)), HasSubstr("not valid TOML at line 1"));
  EXPECT_THAT(TomlText("a = 1\na = 2"), HasSubstr("not valid TOML at line 2"));
  EXPECT_EQ(TomlText("a = \"\xFF\""), "x: not UTF-8 at byte 5");
}

TEST(Toml, RefusesTooMuch) {
  EXPECT_EQ(TomlText(std::string(70000, ' ')),
            "x: 70000 bytes are more than the 65536 that a config may have");
  std::string deep = "a";
  while (deep.size() < 60000) deep += ".a";
  EXPECT_THAT(TomlText(deep + " = 1"), HasSubstr("more than 4096 dots"));
  EXPECT_EQ(TomlText(deep.substr(0, 8000) + "a = 1"), "no text") << "as deep as may be";
  EXPECT_THAT(TomlText("a = " + std::string(60000, '[')), HasSubstr("not valid TOML"));
}

}  // namespace
}  // namespace moiety
