#include "format/config_reader.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

// The message of the first error when `read` looks into {"x": value}.
template <class Read>
std::string ErrorOf(const char* value, Read read) {
  const json object = {{"x", json::parse(value)}};
  ConfigReader reader(object, "c.json");
  read(reader);
  if (reader.status().ok()) return "no error";
  EXPECT_EQ(reader.status().code(), StatusCode::kInvalidData);
  return reader.status().message();
}

TEST(ConfigReader, ReadsEveryType) {
  const json object = json::parse(R"({"int": -3, "dim": 2147483647, "float": 2.5, "whole": 2,
      "bool": true, "string": "s", "strings": ["a", "b"], "ints": [1, 2], "one": 7,
      "floats": [1, 0.5], "none": [], "inner": {"dim": 4}})");
  ConfigReader reader(object, "c.json");
  EXPECT_EQ(reader.Int("int", -3, 5), -3);
  EXPECT_EQ(reader.IntOr("int", 0, -10, 5), -3);
  EXPECT_EQ(reader.Dim("dim"), 2147483647);
  EXPECT_EQ(reader.DimOr("dim", 1), 2147483647);
  EXPECT_EQ(reader.Float("float"), 2.5);
  EXPECT_EQ(reader.FloatOr("whole", 0), 2.0);
  EXPECT_TRUE(reader.BoolOr("bool", false));
  EXPECT_EQ(reader.String("string"), "s");
  EXPECT_EQ(reader.StringOr("string", ""), "s");
  EXPECT_THAT(reader.StringsOr("strings", {}), ElementsAre("a", "b"));
  EXPECT_THAT(reader.IntsOr("ints", {}, 0, 9), ElementsAre(1, 2));
  EXPECT_THAT(reader.IntsOr("one", {}, 0, 9), ElementsAre(7));
  EXPECT_THAT(reader.IntsOr("none", {5}, 0, 9), IsEmpty());
  EXPECT_THAT(reader.FloatsOr("floats", {}), ElementsAre(1.0, 0.5));
  std::optional<ConfigReader> inner = reader.Object("inner");
  ASSERT_TRUE(inner.has_value());
  EXPECT_EQ(inner->Dim("dim"), 4);
  EXPECT_TRUE(reader.status().ok()) << reader.status().message();
  EXPECT_EQ(reader.where(), "c.json");
}

TEST(ConfigReader, NullIsMissingAndFallsBack) {
  const json object = {{"x", nullptr}};
  ConfigReader reader(object, "c.json");
  for (const char* key : {"x", "absent"}) {
    EXPECT_TRUE(reader.Missing(key));
    EXPECT_EQ(reader.IntOr(key, 9, 0, 1), 9);  // a fallback need not be in range
    EXPECT_EQ(reader.DimOr(key, 3), 3);
    EXPECT_EQ(reader.FloatOr(key, 0.5), 0.5);
    EXPECT_TRUE(reader.BoolOr(key, true));
    EXPECT_EQ(reader.StringOr(key, "f"), "f");
    EXPECT_THAT(reader.StringsOr(key, {"f"}), ElementsAre("f"));
    EXPECT_THAT(reader.IntsOr(key, {4}, 0, 1), ElementsAre(4));
    EXPECT_THAT(reader.FloatsOr(key, {4}), ElementsAre(4.0));
    EXPECT_FALSE(reader.Object(key).has_value());
  }
  EXPECT_TRUE(reader.status().ok());
}

TEST(ConfigReader, RequiredFieldsMustBeThere) {
  const json object = {{"x", nullptr}};
  for (const char* key : {"x", "absent"}) {
    const std::string expected = std::string("c.json: \"") + key + "\" is missing";
    ConfigReader for_int(object, "c.json");
    EXPECT_EQ(for_int.Int(key, 2, 5), 2);  // harmless: inside the bounds
    EXPECT_EQ(for_int.status().message(), expected);
    ConfigReader for_dim(object, "c.json");
    EXPECT_EQ(for_dim.Dim(key), 1);
    EXPECT_EQ(for_dim.status().message(), expected);
    ConfigReader for_float(object, "c.json");
    EXPECT_EQ(for_float.Float(key), 1.0);
    EXPECT_EQ(for_float.status().message(), expected);
    ConfigReader for_string(object, "c.json");
    EXPECT_EQ(for_string.String(key), "");
    EXPECT_EQ(for_string.status().message(), expected);
  }
}

TEST(ConfigReader, RefusesWrongTypes) {
  const auto dim = [](ConfigReader& r) { EXPECT_EQ(r.Dim("x"), 1); };
  const std::string expected = "c.json: \"x\" must be an integer from 1 to 2147483647, found ";
  for (const char* value : {"0", "-1", "2147483648", "9223372036854775808", "18446744073709551615",
                            "16.0", "16.5", "\"16\"", "true", "[16]", "{}"}) {
    EXPECT_EQ(ErrorOf(value, dim), expected + json::parse(value).dump());
  }
  EXPECT_EQ(ErrorOf("99999999999999999999", dim), expected + "1e+20");
  EXPECT_EQ(ErrorOf("\"1\"", [](ConfigReader& r) { EXPECT_EQ(r.Float("x"), 1.0); }),
            "c.json: \"x\" must be a finite number, found \"1\"");
  EXPECT_EQ(ErrorOf("1", [](ConfigReader& r) { EXPECT_TRUE(r.BoolOr("x", true)); }),
            "c.json: \"x\" must be true or false, found 1");
  EXPECT_EQ(ErrorOf("1", [](ConfigReader& r) { EXPECT_EQ(r.String("x"), ""); }),
            "c.json: \"x\" must be a string, found 1");
  EXPECT_EQ(
      ErrorOf("[\"a\", 1]", [](ConfigReader& r) { EXPECT_THAT(r.StringsOr("x", {}), IsEmpty()); }),
      "c.json: \"x\" must be a list of strings, found 1");
  EXPECT_EQ(ErrorOf("\"a\"", [](ConfigReader& r) { EXPECT_THAT(r.StringsOr("x", {}), IsEmpty()); }),
            "c.json: \"x\" must be a list of strings, found \"a\"");
  EXPECT_EQ(
      ErrorOf("[1, 5]", [](ConfigReader& r) { EXPECT_THAT(r.IntsOr("x", {}, 0, 4), IsEmpty()); }),
      "c.json: \"x\" must be an integer from 0 to 4, found 5");
  EXPECT_EQ(ErrorOf("1", [](ConfigReader& r) { EXPECT_THAT(r.FloatsOr("x", {}), IsEmpty()); }),
            "c.json: \"x\" must be a list of numbers, found 1");
  EXPECT_EQ(ErrorOf("[null]", [](ConfigReader& r) { EXPECT_THAT(r.FloatsOr("x", {}), IsEmpty()); }),
            "c.json: \"x\" must be a finite number, found null");
  EXPECT_EQ(ErrorOf("[]", [](ConfigReader& r) { EXPECT_FALSE(r.Object("x").has_value()); }),
            "c.json: \"x\" must be an object, found []");
}

TEST(ConfigReader, ErrorsOfInnerObjectsArriveOutsideWithTheirPath) {
  const json object = json::parse(R"({"rope": {"deep": {"factor": "x"}}})");
  ConfigReader reader(object, "c.json");
  reader.Object("rope")->Object("deep")->Float("factor");
  EXPECT_EQ(reader.status().message(),
            "c.json: \"rope.deep.factor\" must be a finite number, found \"x\"");
}

TEST(ConfigReader, DefaultsStandInForAbsentFields) {
  const json object = json::parse(R"({"a": 1, "b": null, "inner": {"c": 2}})");
  const json defaults = json::parse(R"({"a": 3, "b": 4, "c": 5, "d": "x"})");
  ConfigReader plain(object, "c.json");
  ConfigReader reader = plain.WithDefaults(defaults);
  EXPECT_EQ(reader.Int("a", 0, 9), 1);
  EXPECT_TRUE(reader.Missing("b"));  // null means none
  EXPECT_EQ(reader.Int("c", 0, 9), 5);
  EXPECT_TRUE(reader.Has("c"));
  EXPECT_FALSE(plain.Has("c"));
  EXPECT_FALSE(reader.Has("e"));
  EXPECT_EQ(reader.Object("inner")->WithDefaults(defaults).Int("a", 0, 9), 3);
  EXPECT_FALSE(reader.Object("inner")->Has("a"));
  EXPECT_TRUE(plain.status().ok());
  reader.Dim("d");
  EXPECT_EQ(plain.status().message(),
            "c.json: \"d\" must be an integer from 1 to 2147483647, found \"x\"");
}

TEST(ConfigReader, KeepsTheFirstError) {
  const json object = json::object();
  ConfigReader reader(object, "c.json");
  reader.FailUnsupported("a", "is not supported");
  reader.Fail("b", "is wrong");
  reader.Dim("c");
  EXPECT_EQ(reader.status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(reader.status().message(), "c.json: \"a\" is not supported");
}

TEST(ConfigReader, RefusesWhatIsNotAnObject) {
  for (const char* text : {"[]", "3", "null", "\"{}\""}) {
    const json value = json::parse(text);
    ConfigReader reader(value, "c.json");
    EXPECT_EQ(reader.status().message(),
              std::string("c.json: expected a JSON object, found ") + text);
    EXPECT_TRUE(reader.Missing("x"));
    EXPECT_EQ(reader.Dim("x"), 1);
  }
}

}  // namespace
}  // namespace moiety
