#include "jinja/lexer.h"

#include <gmock/gmock.h>

namespace moiety::jinja {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Texts and tags in a form that is easy to compare: "text", {{ }} as "<", ">", {% %} as "[", "]".
std::vector<std::string> Tokens(std::string_view source) {
  const Result<std::vector<Token>> tokens = Tokenize(source, "t");
  if (!tokens.ok()) return {tokens.status().message()};
  std::vector<std::string> out;
  for (const Token& token : *tokens) {
    switch (token.type) {
      case TokenType::kVariableBegin:
        out.emplace_back("<");
        break;
      case TokenType::kVariableEnd:
        out.emplace_back(">");
        break;
      case TokenType::kBlockBegin:
        out.emplace_back("[");
        break;
      case TokenType::kBlockEnd:
        out.emplace_back("]");
        break;
      case TokenType::kEnd:
        break;
      default:
        out.push_back(token.text);
    }
  }
  return out;
}

TEST(Tokenize, TrimsAndStripsAroundBlocks) {
  EXPECT_THAT(Tokens("a\n  {% x %}\n  b"), ElementsAre("a\n", "[", "x", "]", "  b"));
  EXPECT_THAT(Tokens("a {% x %}\nb"), ElementsAre("a ", "[", "x", "]", "b"));
  EXPECT_THAT(Tokens("  {{ x }}\n  {# c #}\nb"), ElementsAre("  ", "<", "x", ">", "\n", "b"));
  EXPECT_THAT(Tokens("a \n {%- x -%} \n b"), ElementsAre("a", "[", "x", "]", "b"));
  EXPECT_THAT(Tokens("  {%+ x +%}\nb"), ElementsAre("  ", "[", "x", "]", "\nb"));
  EXPECT_THAT(Tokens("a {{- x -}} b"), ElementsAre("a", "<", "x", ">", "b"));
}

TEST(Tokenize, OneLineBreakAtTheEndGoes) {
  EXPECT_THAT(Tokens("a\n"), ElementsAre("a"));
  EXPECT_THAT(Tokens("a\r\n\r\n"), ElementsAre("a\n"));
  EXPECT_THAT(Tokens("a\rb"), ElementsAre("a\nb"));
  EXPECT_THAT(Tokens("\n"), ElementsAre());
}

TEST(Tokenize, Raw) {
  EXPECT_THAT(Tokens("{% raw %}{{ x }}{% endraw %}"), ElementsAre("{{ x }}"));
  EXPECT_THAT(Tokens("{%- raw -%} a {%- endraw %}\nb"), ElementsAre("a", "b"));
  EXPECT_THAT(Tokens("x\n{% raw %}a"), ElementsAre("t:2: Missing end of raw directive"));
}

TEST(Tokenize, NumbersAndOperators) {
  EXPECT_THAT(Tokens("{{ 1_0.5e-3 x.0.1//2**-3 }}"),
              ElementsAre("<", "10.5e-3", "x", ".", "0", ".", "1", "//", "2", "**", "-", "3", ">"));
  EXPECT_THAT(Tokens("{{ {'a':{}}}}"), ElementsAre("<", "{", "a", ":", "{", "}", "}", ">"));
  EXPECT_EQ((*Tokenize("{{ 0x1F }}", "t"))[1].integer, 31);
  EXPECT_EQ((*Tokenize("{{ 1e999 }}", "t"))[1].number, HUGE_VAL);
}

TEST(Tokenize, Escapes) {
  EXPECT_EQ(Tokens(R"({{ "\x41\u00e9\n\q\'\101" }})")[1], "A\xC3\xA9\n\\q'A");
  EXPECT_THAT(Tokens(R"({{ "\x4" }})")[0], HasSubstr("truncated \\x escape"));
  EXPECT_THAT(Tokens(R"({{ "\ud800" }})")[0], HasSubstr("surrogate"));
}

TEST(Tokenize, ErrorsHaveTheirLine) {
  EXPECT_THAT(Tokens("\n\n{{ a ! b }}"), ElementsAre("t:3: unexpected char '!' at 7"));
  EXPECT_THAT(Tokens("{{ (a] }}"), ElementsAre("t:1: unexpected ']', expected ')'"));
  EXPECT_THAT(Tokens("a\n{# b"), ElementsAre("t:2: Missing end of comment tag"));
  EXPECT_THAT(Tokens("\xFF"), ElementsAre("t: not UTF-8 at byte 0"));
  EXPECT_EQ(Tokenize("{{ 99999999999999999999 }}", "t").status().code(), StatusCode::kUnsupported);
}

TEST(Tokenize, TimeIsLinear) {
  for (const char* piece : {"{", "{%", "{# #}", "{{ 1 }}\n", "{% raw %}", " ", "{%  "}) {
    std::string source;
    while (source.size() < 1'000'000) source += piece;
    (void)Tokenize(source, "t");  // ends
    (void)Tokenize("{% raw %}" + source, "t");
  }
}

}  // namespace
}  // namespace moiety::jinja
