#include "tokenize/normalizer.h"

#include <gmock/gmock.h>

#include "tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;

Result<Normalizers> LoadFrom(const char* text) {
  return LoadNormalizers({json::parse(text), "f: normalizer"});
}

std::string Normalize(const char* component, std::string text) {
  const auto normalizers = LoadFrom(component);
  if (!normalizers.ok()) return "error: " + normalizers.status().message();
  for (const auto& normalizer : *normalizers) EXPECT_TRUE(normalizer->Apply(text).ok());
  return text;
}

TEST(Normalizer, PrependLeavesEmptyTextAlone) {
  const char* prepend = R"({"type": "Prepend", "prepend": "▁"})";
  EXPECT_EQ(Normalize(prepend, "a"), "▁a");
  EXPECT_EQ(Normalize(prepend, ""), "");
}

TEST(Normalizer, SequencesRunInOrder) {
  EXPECT_EQ(Normalize("null", "a b"), "a b");
  EXPECT_EQ(Normalize(R"({"type": "Sequence", "normalizers": [
              {"type": "Prepend", "prepend": " "},
              {"type": "Sequence", "normalizers": [
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}]})",
                      "a b"),
            "▁a▁b");
}

TEST(Normalizer, Errors) {
  const auto error = [](const char* text) { return LoadFrom(text).status().message(); };
  EXPECT_THAT(error(R"({"type": "Blender"})"),
              testing::StartsWith("f: normalizer: type \"Blender\" is not supported (only B"));
  EXPECT_EQ(error(R"({"type": "Sequence", "normalizers": [null]})"),
            "f: normalizer.normalizers[0] must be an object, found null");
  EXPECT_EQ(error(R"({"type": "Sequence"})"), "f: normalizer: \"normalizers\" is missing");
  EXPECT_EQ(error(R"({"type": "Sequence", "normalizers": {}})"),
            "f: normalizer: \"normalizers\" must be a list, found {}");
  EXPECT_EQ(error(R"({"type": 3})"), "f: normalizer: \"type\" must be a string, found 3");
  EXPECT_EQ(error("3"), "f: normalizer must be an object, found 3");
  EXPECT_EQ(error(R"({"type": "Prepend", "prepend": 3})"),
            "f: normalizer: \"prepend\" must be a string, found 3");
  EXPECT_EQ(error(R"({"type": "Prepend", "prepend": "", "x": 1})"),
            "f: normalizer: field \"x\" is not supported, found 1");
  EXPECT_EQ(error(R"({"type": "Replace", "pattern": {"Regex": "(a"}, "content": ""})"),
            "f: normalizer: not a regular expression (missing closing parenthesis): \"(a\"");
  EXPECT_EQ(error(R"({"type": "Replace", "pattern": " ", "content": ""})"),
            "f: normalizer: \"pattern\" must be {\"String\": \"…\"}, found \" \"");
  EXPECT_EQ(error(R"({"type": "Replace", "pattern": {"String": ""}, "content": ""})"),
            "f: normalizer: an empty \"pattern\" is not supported");
}

// Forty of these would turn one letter into a terabyte.
TEST(Normalizer, RefusesToLetTextExplode) {
  const json twice = json::parse(R"({"type": "Replace", "pattern": {"String": "a"},
                                     "content": "aa"})");
  json sequence = {{"type", "Sequence"}, {"normalizers", json::array()}};
  for (int i = 0; i < 40; ++i) sequence["normalizers"].push_back(twice);
  const Status status = LoadNormalizers({sequence, "f: normalizer"}).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_EQ(
      status.message(),
      "f: normalizer: would make a text up to 1099511627776 times longer, more than 64 times");

  for (int i = 0; i < 40; ++i) sequence["normalizers"].push_back(twice);
  EXPECT_EQ(LoadNormalizers({sequence, "f"}).status().message(),
            "f.normalizers[64]: more than 64 stages");
  const json prepend = {{"type", "Prepend"}, {"prepend", std::string(1025, 'x')}};
  EXPECT_EQ(LoadNormalizers({prepend, "f"}).status().message(),
            "f: \"prepend\" must have at most 1024 bytes, found 1025");
}

}  // namespace
}  // namespace moiety
