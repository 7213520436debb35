#include "tokenize/post_processor.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<PostProcessor> LoadFrom(const json& component) {
  return LoadPostProcessor({component, "f: post_processor"}, [](int64_t id) { return id < 100; });
}

json Template(const char* single) {
  return {{"type", "TemplateProcessing"},
          {"single", json::parse(single)},
          {"pair", json::array()},
          {"special_tokens", json::parse(R"({"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
                           "end": {"id": "end", "ids": [2, 3], "tokens": ["x", "y"]},
                           "far": {"id": "far", "ids": [100], "tokens": ["z"]},
                           "odd": {"id": "odd"}})")}};
}

constexpr const char* kBoth = R"([{"SpecialToken": {"id": "<s>", "type_id": 0}},
    {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
    {"SpecialToken": {"id": "end", "type_id": 0}}])";

TEST(PostProcessor, TemplateGoesAroundTheText) {
  const auto processor = LoadFrom(Template(kBoth));
  ASSERT_TRUE(processor.ok()) << processor.status().message();
  EXPECT_THAT(processor->before, ElementsAre(1, 1));
  EXPECT_THAT(processor->after, ElementsAre(2, 3));
}

TEST(PostProcessor, NullAndSequence) {
  const auto none = LoadFrom(json());
  ASSERT_TRUE(none.ok());
  EXPECT_THAT(none->before, IsEmpty());
  EXPECT_THAT(none->after, IsEmpty());
  const auto sequence =
      LoadFrom({{"type", "Sequence"}, {"processors", json::array({Template(kBoth)})}});
  ASSERT_TRUE(sequence.ok()) << sequence.status().message();
  EXPECT_THAT(sequence->before, ElementsAre(1, 1));
}

TEST(PostProcessor, BertAndRoberta) {
  for (const char* type : {"BertProcessing", "RobertaProcessing"}) {
    json component = {{"type", type}, {"cls", {"<s>", 1}}, {"sep", {"</s>", 2}}};
    const auto processor = LoadFrom(component);
    ASSERT_TRUE(processor.ok()) << processor.status().message();
    EXPECT_THAT(processor->before, ElementsAre(1));
    EXPECT_THAT(processor->after, ElementsAre(2));
    for (const json& token : {json({"</s>", 1 << 20}), json({"</s>", -1}), json("</s>"),
                              json::array(), json({2, 2}), json({"</s>", 2, 2})}) {
      component["sep"] = token;
      EXPECT_THAT(LoadFrom(component).status().message(),
                  HasSubstr("\"sep\" must be a token and its id in the vocabulary, found "));
    }
    component.erase("sep");
    EXPECT_EQ(LoadFrom(component).status().message(), "f: post_processor: \"sep\" is missing");
  }
}

TEST(PostProcessor, Errors) {
  const auto error = [](const json& component) { return LoadFrom(component).status().message(); };
  const std::string where = "f: post_processor: ";
  EXPECT_THAT(error({{"type", "Blender"}}), HasSubstr("type \"Blender\" is not supported (only "));
  EXPECT_THAT(error({{"type", "Sequence"}, {"processors", {Template(kBoth), Template(kBoth)}}}),
              HasSubstr("processors[1]: a second TemplateProcessing is not supported"));
  EXPECT_EQ(error(Template("3")), where + "\"single\" must be a list, found 3");
  EXPECT_EQ(error(Template("[]")), where + "\"single\" must have sequence \"A\", found []");
  for (const char* piece : {R"({"Sequence": {"id": "B", "type_id": 0}})", R"({"Sequence": "A"})",
                            R"({"Sequence": {}})", R"({"Magic": {"id": "A"}})", "3", "null", "{}",
                            R"({"Sequence": {"id": "A"}, "SpecialToken": {"id": "<s>"}})"}) {
    EXPECT_EQ(error(Template((std::string("[") + piece + "]").c_str())),
              where + "\"single\" must be made of special tokens and sequence \"A\" once, found " +
                  json::parse(piece).dump().substr(0, 57) +
                  (json::parse(piece).dump().size() > 60 ? "..." : ""));
  }
  EXPECT_THAT(error(Template(R"([{"Sequence": {"id": "A"}}, {"Sequence": {"id": "A"}}])")),
              HasSubstr("sequence \"A\" once"));
  EXPECT_EQ(error(Template(R"([{"SpecialToken": {"id": "<pad>"}}])")),
            where + "\"special_tokens\" must have the token \"<pad>\" of the template");
  EXPECT_THAT(error(Template(R"([{"SpecialToken": {"id": 3}}])")), HasSubstr("the token 3"));
  EXPECT_EQ(error(Template(R"([{"SpecialToken": {"id": "far"}}])")),
            where + "special token \"far\" must have ids of the vocabulary, found 100");
  EXPECT_THAT(error(Template(R"([{"SpecialToken": {"id": "odd"}}])")),
              HasSubstr("special token \"odd\" must have a list \"ids\""));
}

}  // namespace
}  // namespace moiety
