#include "format/generation_config.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

Result<GenerationConfig> Read(const std::string& text) {
  return ReadGenerationConfig(json::parse(text), "g.json");
}

TEST(GenerationConfig, ReadsEveryField) {
  const Result<GenerationConfig> config = Read(R"({"bos_token_id": 1, "eos_token_id": [2, 7],
      "pad_token_id": 0, "do_sample": true, "temperature": 0.7, "top_k": 20, "top_p": 0.8,
      "min_p": 0.05, "repetition_penalty": 1.05, "max_new_tokens": 512,
      "transformers_version": "5.0.0", "cache_implementation": {"any": "thing"}})");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->bos_token_id, 1);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(2, 7));
  EXPECT_EQ(config->pad_token_id, 0);
  EXPECT_EQ(config->do_sample, true);
  EXPECT_EQ(config->temperature, 0.7);
  EXPECT_EQ(config->top_k, 20);
  EXPECT_EQ(config->top_p, 0.8);
  EXPECT_EQ(config->min_p, 0.05);
  EXPECT_EQ(config->repetition_penalty, 1.05);
  EXPECT_EQ(config->max_new_tokens, 512);
}

TEST(GenerationConfig, IsEmptyWhereTheFileSaysNothing) {
  for (const char* text : {"{}", R"({"bos_token_id": null, "eos_token_id": null, "do_sample": null,
                                    "temperature": null, "top_k": null})"}) {
    const Result<GenerationConfig> config = Read(text);
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_FALSE(config->bos_token_id.has_value());
    EXPECT_THAT(config->eos_token_ids, IsEmpty());
    EXPECT_FALSE(config->pad_token_id.has_value());
    EXPECT_FALSE(config->do_sample.has_value());
    EXPECT_FALSE(config->temperature.has_value());
    EXPECT_FALSE(config->top_k.has_value());
    EXPECT_FALSE(config->top_p.has_value());
    EXPECT_FALSE(config->min_p.has_value());
    EXPECT_FALSE(config->repetition_penalty.has_value());
    EXPECT_FALSE(config->max_new_tokens.has_value());
  }
}

TEST(GenerationConfig, AcceptsTheLimits) {
  for (const char* text :
       {R"({"temperature": 0})", R"({"temperature": 0.0})", R"({"top_k": 0})", R"({"top_p": 0})",
        R"({"top_p": 1})", R"({"min_p": 1.0})", R"({"eos_token_id": 2147483647})",
        R"({"pad_token_id": -1})", R"({"max_new_tokens": 1})"}) {
    EXPECT_TRUE(Read(text).ok()) << text << ": " << Read(text).status().message();
  }
  EXPECT_FALSE(Read(R"({"pad_token_id": -1})")->pad_token_id.has_value());
}

TEST(GenerationConfig, RefusesWrongValues) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"temperature": -0.1})",
       "\"temperature\" must be a number from 0 to 1000000, found -0.1"},
      {R"({"temperature": "1"})", "\"temperature\" must be a finite number, found \"1\""},
      {R"({"top_k": -1})", "\"top_k\" must be an integer from 0 to 9223372036854775807, found -1"},
      {R"({"top_k": 2.5})",
       "\"top_k\" must be an integer from 0 to 9223372036854775807, found 2.5"},
      {R"({"top_p": 1.01})", "\"top_p\" must be a number from 0 to 1, found 1.01"},
      {R"({"min_p": -1})", "\"min_p\" must be a number from 0 to 1, found -1"},
      {R"({"repetition_penalty": 0})",
       "\"repetition_penalty\" must be a number from 1e-06 to 1000000, found 0"},
      {R"({"do_sample": 1})", "\"do_sample\" must be true or false, found 1"},
      {R"({"bos_token_id": -1})",
       "\"bos_token_id\" must be an integer from 0 to 2147483647, found -1"},
      {R"({"eos_token_id": [1, "2"]})",
       "\"eos_token_id\" must be an integer from 0 to 2147483647, found \"2\""},
      {R"({"eos_token_id": 2147483648})",
       "\"eos_token_id\" must be an integer from 0 to 2147483647, found 2147483648"},
      {R"({"pad_token_id": -2})",
       "\"pad_token_id\" must be an integer from -1 to 2147483647, found -2"},
      {R"({"max_new_tokens": 0})",
       "\"max_new_tokens\" must be an integer from 1 to 9223372036854775807, found 0"},
      {R"({"max_new_tokens": []})",
       "\"max_new_tokens\" must be an integer from 1 to 9223372036854775807, found []"}};
  for (const auto& [text, expected] : cases) {
    const Result<GenerationConfig> config = Read(text);
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_EQ(config.status().code(), StatusCode::kInvalidData);
    EXPECT_EQ(config.status().message(), std::string("g.json: ") + expected);
  }
  EXPECT_EQ(Read("[]").status().message(), "g.json: expected a JSON object, found []");
}

TEST(GenerationConfig, TakesOnlyMissingTokenIdsFromTheModelConfig) {
  GenerationConfig config;
  config.bos_token_id = 5;
  const json model = {
      {"bos_token_id", 1}, {"eos_token_id", 2}, {"pad_token_id", -1}, {"top_k", "ignored"}};
  ASSERT_TRUE(FillTokenIds(model, "config.json", config).ok());
  EXPECT_EQ(config.bos_token_id, 5);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(2));
  EXPECT_FALSE(config.pad_token_id.has_value());
  EXPECT_FALSE(config.top_k.has_value());

  // What is there already is not read a second time, so it cannot be wrong either.
  EXPECT_TRUE(FillTokenIds({{"eos_token_id", "x"}}, "config.json", config).ok());
  GenerationConfig empty;
  EXPECT_EQ(FillTokenIds({{"eos_token_id", "x"}}, "config.json", empty).message(),
            "config.json: \"eos_token_id\" must be an integer from 0 to 2147483647, found \"x\"");
}

}  // namespace
}  // namespace moiety
