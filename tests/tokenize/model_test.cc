#include "tokenize/model.h"

#include <gmock/gmock.h>

#include "tokenize/tiny_tokenizer.h"

namespace moiety {
namespace {

using testing::HasSubstr;

TEST(TokenModel, IsChosenByItsType) {
  const nlohmann::json document = TinyJson()["model"];
  const auto model = LoadTokenModel({document, "t.json: model"});
  ASSERT_TRUE(model.ok()) << model.status().message();
  std::vector<int32_t> ids;
  (*model)->Encode(Words{"abcab", {5}}, ids);
  EXPECT_EQ(ids, (Ids{5, 4}));
}

TEST(TokenModel, UnknownTypesAreRefusedByName) {
  nlohmann::json document = TinyJson();
  document["model"]["type"] = "Magic";
  const Status status = LoadStatus(document);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("Magic"));
  EXPECT_THAT(status.message(), HasSubstr("BPE"));
}

}  // namespace
}  // namespace moiety
