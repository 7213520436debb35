#include "tokenize/component.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// The types that ForEachComponent hands on, in order.
Result<std::vector<std::string>> Walk(const json& component) {
  std::vector<std::string> types;
  MOIETY_RETURN_IF_ERROR(ForEachComponent({component, "t.json: stage"}, "stages",
                                          [&](const std::string& type, const Component&) {
                                            types.push_back(type);
                                            return OkStatus();
                                          }));
  return types;
}

TEST(Component, WalksSequencesInOrder) {
  EXPECT_THAT(*Walk(nullptr), ElementsAre());
  EXPECT_THAT(*Walk({{"type", "A"}}), ElementsAre("A"));
  const json inner = {{"type", "Sequence"}, {"stages", {{{"type", "B"}}, {{"type", "C"}}}}};
  EXPECT_THAT(*Walk({{"type", "Sequence"}, {"stages", {{{"type", "A"}}, inner, {{"type", "D"}}}}}),
              ElementsAre("A", "B", "C", "D"));
}

TEST(Component, BoundsWhatAFileCanAskFor) {
  json stages = json::array();
  for (int i = 0; i < 65; ++i) stages.push_back({{"type", "A"}});
  EXPECT_FALSE(Walk({{"type", "Sequence"}, {"stages", stages}}).ok());
  stages.erase(0);
  EXPECT_TRUE(Walk({{"type", "Sequence"}, {"stages", stages}}).ok());
}

TEST(Component, NamesTheFieldThatIsWrong) {
  const json component = {{"type", "Strip"}, {"content", " "}, {"start", 1}};
  EXPECT_TRUE(CheckFields({component, "t.json: decoder"}, {"content", "start"}).ok());
  EXPECT_TRUE(CheckFields({component, "t.json: decoder"}, {"content"}, {"start", "stop"}).ok());
  const Status missing = CheckFields({component, "t.json: decoder"}, {"content", "start", "stop"});
  EXPECT_THAT(missing.message(), HasSubstr("t.json: decoder"));
  EXPECT_THAT(missing.message(), HasSubstr("stop"));
  const Status unknown = CheckFields({component, "t.json: decoder"}, {"content"});
  EXPECT_THAT(unknown.message(), HasSubstr("start"));
  EXPECT_FALSE(CheckFields({json::array(), "t.json: decoder"}, {}).ok());
}

TEST(Component, UnsupportedTypesNameTheSupportedOnes) {
  const json component = {{"type", "Blender"}};
  const Status status =
      UnsupportedType({component, "t.json: decoder"}, "Blender", {"Fuse", "Strip"});
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  for (const char* part : {"t.json: decoder", "Blender", "Fuse", "Strip"}) {
    EXPECT_THAT(status.message(), HasSubstr(part));
  }
}

TEST(Component, IntegersWithinBounds) {
  EXPECT_EQ(IntegerIn(7, 0, 7), 7);
  EXPECT_EQ(IntegerIn(8, 0, 7), std::nullopt);
  EXPECT_EQ(IntegerIn(-1, 0, 7), std::nullopt);
  EXPECT_EQ(IntegerIn(1.0, 0, 7), std::nullopt);
  EXPECT_EQ(IntegerIn(uint64_t{1} << 63, 0, INT64_MAX), std::nullopt);
}

}  // namespace
}  // namespace moiety
