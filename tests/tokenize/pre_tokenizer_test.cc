#include "tokenize/pre_tokenizer.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;

TEST(PreTokenizer, NullAndNoOther) {
  const auto none = LoadPreTokenizers({json(), "f: pre_tokenizer"});
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());

  const json blender =
      json::parse(R"({"type": "Sequence", "pretokenizers": [{"type": "Blender", "speed": 3}]})");
  const Status status = LoadPreTokenizers({blender, "f: pre_tokenizer"}).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(),
              testing::HasSubstr(
                  "f: pre_tokenizer.pretokenizers[0]: type \"Blender\" is not supported (only "));
}

}  // namespace
}  // namespace moiety
