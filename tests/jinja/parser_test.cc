#include "jinja/parser.h"
#include "support/cpu_time.h"

#include <gmock/gmock.h>

namespace moiety::jinja {
namespace {

using testing::HasSubstr;

Status StatusOf(std::string_view source) {
  Result<Ast> ast = Parse(source, "t");
  return ast.ok() ? OkStatus() : std::move(ast).status();
}

TEST(Parse, SyntaxErrorsHaveTheirLine) {
  const Status status = StatusOf("a\n{% if x %}\n{{ 1 + }}");
  EXPECT_EQ(status.code(), StatusCode::kInvalidData);
  EXPECT_EQ(status.message(), "t:3: unexpected 'end of print statement'");
  EXPECT_THAT(StatusOf("{% if x %}\n").message(),
              HasSubstr("looking for the following tags: 'elif'"));
  EXPECT_THAT(StatusOf("\n{% nope %}").message(),
              HasSubstr("t:2: Encountered unknown tag 'nope'."));
  EXPECT_THAT(StatusOf("{% break %}").message(), HasSubstr("outside of a loop"));
}

TEST(Parse, WhatIsLeftOutIsNamed) {
  for (const char* tag : {"include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'",
                          "block x", "autoescape true"}) {
    const Status status = StatusOf("{% " + std::string(tag) + " %}");
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << tag;
    EXPECT_THAT(status.message(), HasSubstr("the tag '")) << tag;
  }
  EXPECT_EQ(StatusOf("\n{{ x | nope }}").message(), "t:2: No filter named 'nope'.");
  EXPECT_EQ(StatusOf("{{ x is nope }}").message(), "t:1: No test named 'nope'.");
  EXPECT_EQ(StatusOf("{{ x | random }}").code(), StatusCode::kUnsupported);
  EXPECT_EQ(StatusOf("{{ x | random }}").message(), "t:1: the filter 'random' is not supported");
  EXPECT_EQ(StatusOf("{{ x | urlize }}").message(), "t:1: the filter 'urlize' is not supported");
}

TEST(Parse, UnknownFiltersMayStandBehindAnIf) {
  EXPECT_TRUE(StatusOf("{% if 'nope' is filter %}{{ x | nope }}{% endif %}").ok());
  EXPECT_TRUE(StatusOf("{{ (x | nope) if false else 1 }}").ok());
  EXPECT_FALSE(StatusOf("{% if x %}{% for y in x %}{{ y | nope }}{% endfor %}{% endif %}").ok());
}

TEST(Parse, ManyNamesTakeLinearTime) {
  // Comparing each with all before takes minutes.
  std::string arguments;
  std::string parameters;
  for (int i = 0; i < 300'000; ++i) {
    arguments += "a" + std::to_string(i) + "=1,";
    parameters += "a" + std::to_string(i) + ",";
  }
  const double start = CpuSeconds();
  EXPECT_TRUE(StatusOf("{{ f(" + arguments + ") }}").ok());
  EXPECT_TRUE(StatusOf("{% macro f(" + parameters + "b) %}{% endmacro %}").ok());
  EXPECT_LT(CpuSeconds() - start, 30);  // sanitizers take some
  EXPECT_EQ(StatusOf("{{ f(a=1, b=2, a=3) }}").message(), "t:1: keyword argument repeated: a");
  EXPECT_EQ(StatusOf("{% macro f(a, b, a) %}{% endmacro %}").message(),
            "t:1: duplicate argument 'a'");
}

TEST(Parse, BoundsTheDepth) {
  const auto repeated = [](std::string_view text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
  };
  EXPECT_TRUE(StatusOf("{{ " + repeated("(", 100) + "1" + repeated(")", 100) + " }}").ok());
  EXPECT_TRUE(StatusOf("{{ 1" + repeated(" + 1", 400) + " }}").ok());
  for (const char* piece :
       {"(", "[", "{1:", "-", "not ", "f(", "x[", "1 + ", "x.y", "x|e", "1 if "}) {
    const std::string source = "{{ " + repeated(piece, 100'000);
    EXPECT_FALSE(StatusOf(source).ok()) << piece;
  }
  EXPECT_FALSE(StatusOf("{{ 1" + repeated(" + 1", 100'000) + " }}").ok());
  EXPECT_FALSE(StatusOf("{{ x" + repeated(".y", 100'000) + " }}").ok());
  EXPECT_FALSE(StatusOf("{{ x" + repeated("|e", 100'000) + " }}").ok());
  EXPECT_FALSE(StatusOf(repeated("{% if x %}", 100'000)).ok());
  EXPECT_FALSE(StatusOf(repeated("{% for x in y %}", 100'000)).ok());
  EXPECT_TRUE(StatusOf("{% if x %}" + repeated("{% elif x %}", 100'000) + "{% endif %}").ok());
}

}  // namespace
}  // namespace moiety::jinja
