#include "tokenize/vocabulary_reader.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;

std::string Error(const char* text) {
  return ReadVocabulary({json::parse(text), "f: model"}).status().message();
}

TEST(VocabularyReader, ReadsPiecesAndTheUnknownToken) {
  const json model = json::parse(R"({"vocab": {"a": 2, "": 0}, "unk_token": "a"})");
  const auto vocabulary = ReadVocabulary({model, "f"});
  ASSERT_TRUE(vocabulary.ok());
  EXPECT_EQ(vocabulary->Find("a"), 2);
  EXPECT_EQ(vocabulary->Find(""), 0);
  EXPECT_EQ(vocabulary->end_id(), 3);
  EXPECT_EQ(*ReadUnknownToken({model, "f"}, *vocabulary), 2);
}

TEST(VocabularyReader, Errors) {
  EXPECT_EQ(Error(R"({"vocab": []})"), "f: model: \"vocab\" must be an object, found []");
  EXPECT_EQ(Error(R"({"vocab": {"a": 1.5}})"),
            "f: model: \"vocab\" must give token \"a\" an integer, found 1.5");
  EXPECT_EQ(Error(R"({"vocab": {"a": -1}})"),
            "f: model: \"vocab\": token \"a\" must have an id from 0 to 65599, found -1");
  EXPECT_EQ(ReadUnknownToken({json::object(), "f"}, Vocabulary(0)).status().message(),
            "f: \"unk_token\" is missing");
}

}  // namespace
}  // namespace moiety
