#include "format/json.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

std::string ErrorOf(std::string_view text) {
  const Result<json> result = ParseJson(text, "x.json");
  if (result.ok()) return "no error";
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidData);
  return result.status().message();
}

TEST(ParseJson, ReadsWhatTheLibraryWrites) {
  const json document = {{"a", {1, -2, 1.5, nullptr, true}},
                         {"b", {{"c", "d"}, {"e", json::object()}}},
                         {"", json::array()},
                         {"text", "\xC3\xA9\n\"\\"}};
  for (const int indent : {-1, 2}) {
    const Result<json> parsed = ParseJson(document.dump(indent), "x.json");
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_EQ(*parsed, document);
  }
  EXPECT_EQ(*ParseJson("3", "x.json"), json(3));
  EXPECT_EQ(*ParseJson(" \n\"x\"\t", "x.json"), json("x"));
}

TEST(ParseJson, KeepsIntegersApart) {
  const json big = *ParseJson("[9223372036854775807, 18446744073709551615, -1, 1e3]", "x.json");
  EXPECT_EQ(big[0].get<int64_t>(), INT64_MAX);
  EXPECT_EQ(big[1].get<uint64_t>(), UINT64_MAX);
  EXPECT_TRUE(big[2].is_number_integer());
  EXPECT_TRUE(big[3].is_number_float());
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("x.json: not valid JSON at byte 1: "));
  EXPECT_THAT(ErrorOf("{\"a\": 1"), HasSubstr("not valid JSON at byte 8: "));
  EXPECT_THAT(ErrorOf("{} {}"), HasSubstr("expected end of input"));
  EXPECT_THAT(ErrorOf("{\"a\": NaN}"), HasSubstr("invalid literal"));
  EXPECT_THAT(ErrorOf("{\"a\": 1,}"), HasSubstr("not valid JSON at byte 9"));
  EXPECT_THAT(ErrorOf("// x\n{}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf("1e999"), HasSubstr("1e999"));
}

TEST(ParseJson, RefusesWhatIsNotUtf8) {
  for (const char* text : {"\"\xFF\xFE\"", "\"\xC3\"", "\"\xED\xA0\x80\"", "{\"\x80\": 1}"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("ill-formed UTF-8"));
  }
  EXPECT_THAT(ErrorOf(R"("\ud800")"), HasSubstr("not valid JSON"));
}

TEST(ParseJson, RefusesKeysThatAppearTwice) {
  EXPECT_EQ(ErrorOf(R"({"a": 1, "b": 2, "a": 1})"), "x.json: key \"a\" appears twice");
  EXPECT_EQ(ErrorOf(R"([{"x": {"a": 1, "\u0061": 2}}])"), "x.json: key \"a\" appears twice");
  EXPECT_EQ(ErrorOf(R"([{"a": 1}, {"a": 1, "b": {"a": 1}}])"), "no error");
}

TEST(ParseJson, BoundsTheDepth) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(ErrorOf(nested(128)), "no error");
  EXPECT_EQ(ErrorOf(nested(129)), "x.json: nested deeper than 128 levels");
  EXPECT_EQ(ErrorOf(std::string(1'000'000, '[')), "x.json: nested deeper than 128 levels");
}

TEST(ParseJson, MessagesStayShortValidAndOnOneLine) {
  const std::string long_key = "\"" + std::string(1000, 'y') + "\":1";
  const std::vector<std::string> texts = {
      "\"" + std::string(100'000, 'x'), "{" + long_key + "," + long_key + "}",
      std::string(1000, '\xFF'), "\"\n\n\n", "\"" + std::string(1000, '\x1B')};
  for (const std::string& text : texts) {
    const std::string error = ErrorOf(text);
    EXPECT_LT(error.size(), 250U);
    EXPECT_TRUE(IsUtf8(error));
    EXPECT_EQ(error.find_first_of("\n\x1B"), std::string::npos) << error;
  }
}

TEST(ParseOrderedJson, KeepsTheOrderAndHasTheSameBounds) {
  using nlohmann::ordered_json;
  const std::string text = R"({"b":1,"a":{"d":[2,{}],"c":null},"":"x"})";
  EXPECT_EQ(ParseOrderedJson(text, "x.json")->dump(), text);
  std::string many = "{";
  for (int i = 0; i < 50'000; ++i) many += "\"k" + std::to_string(i) + "\":{\"a\":1},";
  EXPECT_EQ(ParseOrderedJson(many + "\"x\":1}", "x.json")->size(), 50'001U);
  EXPECT_EQ(ParseOrderedJson(many + "\"k7\":1}", "x.json").status().message(),
            "x.json: key \"k7\" appears twice");
  EXPECT_FALSE(ParseOrderedJson(R"({"a":1,"a":2})", "x.json").ok());
  EXPECT_FALSE(ParseOrderedJson(std::string(200, '['), "x.json").ok());
}

TEST(ParseOrderedJson, RefusesBigIntegersWhereAsked) {
  const auto parse = [](std::string_view text, BigIntegers big) {
    const auto result = ParseOrderedJson(text, "x.json", big);
    if (result.ok()) return std::string("ok");
    EXPECT_EQ(result.status().code(), StatusCode::kUnsupported);
    return result.status().message();
  };
  for (const char* text : {"9223372036854775808", "18446744073709551615", "18446744073709551616",
                           "-9223372036854775809", "1000000000000000019884624838656"}) {
    EXPECT_EQ(parse(Format("[{}]", text), BigIntegers::kKeep), "ok");
    EXPECT_EQ(parse(Format("[{}]", text), BigIntegers::kRefuse),
              Format("x.json: the integer {} leaves 64 bits, which moiety does not do", text));
  }
  EXPECT_EQ(parse("[9223372036854775807, -9223372036854775808, 1e20, 1E+20,"
                  " 100000000000000000000.0]",
                  BigIntegers::kRefuse),
            "ok");
}

TEST(ShowJson, IsCutAtACharacter) {
  EXPECT_EQ(ShowJson(nlohmann::ordered_json::parse(R"({"a": [1]})")), R"({"a":[1]})");
  EXPECT_EQ(ShowJson(json::parse(R"({"b": [1, "x"], "a": null})")), R"({"a":null,"b":[1,"x"]})");
  EXPECT_EQ(ShowJson("a\nb\x7F"), "\"a\\nb \"");
  EXPECT_EQ(ShowJson("\xFF"), "\"\xEF\xBF\xBD\"");
  for (size_t offset = 0; offset < 4; ++offset) {
    std::string text(offset, 'a');
    for (int i = 0; i < 100; ++i) text += "\xE2\x82\xAC";
    const std::string shown = ShowJson(text);
    EXPECT_TRUE(IsUtf8(shown));
    EXPECT_THAT(shown, SizeIs(testing::Le(63U)));
    EXPECT_THAT(shown, testing::EndsWith("..."));
  }
}

}  // namespace
}  // namespace moiety
