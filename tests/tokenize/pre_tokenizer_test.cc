#include "tokenize/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;

TEST(PreTokenizer, NullIsNone) {
  const auto none = LoadPreTokenizers({json(), "f: pre_tokenizer"});
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
}

TEST(PreTokenizer, Errors) {
  const auto error = [](const char* text) {
    const json component = json::parse(text);
    return LoadPreTokenizers({component, "f"}).status();
  };
  const Status unknown =
      error(R"({"type": "Sequence", "pretokenizers": [{"type": "Blender", "speed": 3}]})");
  EXPECT_EQ(unknown.code(), StatusCode::kUnsupported);
  EXPECT_THAT(unknown.message(),
              testing::StartsWith("f.pretokenizers[0]: type \"Blender\" is not supported (only B"));
  EXPECT_EQ(error(R"({"type": "ByteLevel", "use_regex": 3})").message(),
            "f: \"use_regex\" must be true or false, found 3");
  EXPECT_EQ(error(R"({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Gone"})").message(),
            "f: \"behavior\" must be one of Removed, Isolated, MergedWithPrevious, MergedWithNext, "
            "Contiguous, found \"Gone\"");
  EXPECT_EQ(error(R"({"type": "Split", "pattern": {"Regex": 3}, "behavior": "Removed"})").message(),
            "f: \"pattern\" of kind \"Regex\" is not supported, found {\"Regex\":3}");
  EXPECT_EQ(error(R"({"type": "CharDelimiterSplit", "delimiter": "ab"})").message(),
            "f: \"delimiter\" must be one character, found \"ab\"");
}

}  // namespace
}  // namespace moiety
