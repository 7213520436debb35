#include "runtime/batch_file.h"

#include <gmock/gmock.h>

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int64_t kVocab = 100;

Result<std::vector<BatchLine>> Parse(const std::string& text) {
  BatchLine defaults;
  defaults.options.max_tokens = 16;
  defaults.options.stop = {"END"};
  defaults.options.sampling.seed = 5;
  return ParseBatchFile(text, "file", defaults, kVocab);
}

std::string Error(const std::string& text) {
  const auto lines = Parse(text);
  EXPECT_FALSE(lines.ok()) << text;
  EXPECT_EQ(lines.status().message().find('\n'), std::string::npos);
  return lines.status().message();
}

TEST(BatchFile, ReadsEveryField) {
  const auto lines =
      Parse(R"({"prompt": "a", "id": "x", "n": 3, "max_tokens": 7, "temperature": 0.5, "top_k": 2,)"
            R"( "top_p": 0.9, "min_p": 0.1, "seed": 11, "stop": ["p", "q"], "presence_penalty": 1,)"
            R"( "frequency_penalty": 2, "repetition_penalty": 1.5, "repeat_last_n": 8,)"
            R"( "logit_bias": {"3": -1.5, "99": 2}, "ignore_eos": true})");
  ASSERT_TRUE(lines.ok()) << lines.status().message();
  ASSERT_EQ(lines->size(), 1U);
  const BatchLine& line = lines->front();
  EXPECT_EQ(line.line, 1);
  EXPECT_EQ(line.id, "x");
  EXPECT_EQ(line.prompt, "a");
  EXPECT_TRUE(line.messages.is_null());
  EXPECT_EQ(line.num_samples, 3);
  EXPECT_TRUE(line.has_seed);
  EXPECT_EQ(line.options.max_tokens, 7);
  EXPECT_THAT(line.options.stop, ElementsAre("p", "q"));
  EXPECT_TRUE(line.options.ignore_eos);
  const SamplingOptions& s = line.options.sampling;
  EXPECT_EQ(s.temperature, 0.5);
  EXPECT_EQ(s.top_k, 2);
  EXPECT_EQ(s.top_p, 0.9);
  EXPECT_EQ(s.min_p, 0.1);
  EXPECT_EQ(s.seed, 11U);
  EXPECT_EQ(s.presence_penalty, 1);
  EXPECT_EQ(s.frequency_penalty, 2);
  EXPECT_EQ(s.repetition_penalty, 1.5);
  EXPECT_EQ(s.penalty_last_n, 8);
  EXPECT_THAT(s.logit_bias, ElementsAre(std::pair(3, -1.5), std::pair(99, 2.0)));
}

TEST(BatchFile, WhatIsLeftOutIsAsInTheDefaults) {
  const auto lines = Parse(
      "\n{\"prompt\": \"\", \"seed\": null, \"stop\": null}\r\n  \n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"stop\": \"one\", \"id\": 4}");
  ASSERT_TRUE(lines.ok()) << lines.status().message();
  ASSERT_EQ(lines->size(), 2U);
  EXPECT_EQ((*lines)[0].line, 2);
  EXPECT_EQ((*lines)[1].line, 4);
  EXPECT_EQ((*lines)[0].options.max_tokens, 16);
  EXPECT_EQ((*lines)[0].options.sampling.seed, 5U);
  EXPECT_FALSE((*lines)[0].has_seed);
  EXPECT_TRUE((*lines)[0].id.is_null());
  EXPECT_THAT((*lines)[0].options.stop, ElementsAre("END"));
  EXPECT_THAT((*lines)[1].options.stop, ElementsAre("one"));
  EXPECT_EQ((*lines)[1].id, 4);
  EXPECT_EQ((*lines)[1].messages.dump(), R"([{"role":"user","content":"hi"}])")
      << "keys keep their order";
}

TEST(BatchFile, ErrorsNameLineAndField) {
  EXPECT_EQ(Error(""), "file: has no requests");
  EXPECT_EQ(Error("\n \n"), "file: has no requests");
  EXPECT_THAT(Error("{\"prompt\": \"a\"}\n{"), StartsWith("file:2: not valid JSON"));
  EXPECT_THAT(Error("[1]"), HasSubstr("file:1: expected a JSON object, found [1]"));
  EXPECT_THAT(Error("{\"prompt\": \"a\"} {}"), StartsWith("file:1: not valid JSON"));
  EXPECT_THAT(Error(R"({"prompt": "a", "prompt": "b"})"), HasSubstr("appears twice"));
  EXPECT_THAT(Error(R"({"prompt": "a", "max_token": 3})"),
              HasSubstr("file:1: unknown field \"max_token\""));
  EXPECT_THAT(Error(R"({})"), HasSubstr("prompt"));
  EXPECT_THAT(Error(R"({"prompt": "a", "messages": []})"), HasSubstr("one of the two"));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("n": 0)", "n"},
      {R"("n": 1000000000000000000)", "n"},
      {R"("n": 99999999999999999999999)", "n"},
      {R"("max_tokens": 1.5)", "max_tokens"},
      {R"("max_tokens": "7")", "max_tokens"},
      {R"("max_tokens": -2)", "max_tokens"},
      {R"("temperature": "hot")", "temperature"},
      {R"("temperature": -1)", "temperature"},
      {R"("temperature": 1e300)", "temperature"},
      {R"("top_k": -1)", "top_k"},
      {R"("top_p": 1.01)", "top_p"},
      {R"("min_p": [])", "min_p"},
      {R"("seed": -1)", "seed"},
      {R"("stop": 3)", "stop"},
      {R"("stop": ["a", 3])", "stop"},
      {R"("id": {})", "id"},
      {R"("id": 1.5)", "id"},
      {R"("repetition_penalty": 0)", "repetition_penalty"},
      {R"("repeat_last_n": -5)", "repeat_last_n"},
      {R"("presence_penalty": true)", "presence_penalty"},
      {R"("frequency_penalty": {})", "frequency_penalty"},
      {R"("logit_bias": [])", "logit_bias"},
      {R"("logit_bias": {"x": 1})", "logit_bias"},
      {R"("logit_bias": {"1 ": 1})", "logit_bias"},
      {R"("logit_bias": {"1": "x"})", "logit_bias"},
      {R"("logit_bias": {"1": null})", "numbers"},
      {R"("logit_bias": {"01": 1, "1": 2})", "twice"},
      {R"("logit_bias": {"100": 1})", "logit_bias"},
      {R"("logit_bias": {"-1": 1})", "logit_bias"},
      {R"("ignore_eos": 1)", "ignore_eos"},
  };
  for (const auto& [field, name] : cases) {
    const std::string error = Error("\n{\"prompt\": \"a\", " + field + "}");
    EXPECT_THAT(error, StartsWith("file:2: ")) << field;
    EXPECT_THAT(error, HasSubstr(name)) << field;
  }
  for (const std::string messages :
       {R"("hi")", "[]", "[1]", R"([{"content": "x"}])", R"([{"role": 3}])"}) {
    EXPECT_THAT(Error("{\"messages\": " + messages + "}"), HasSubstr("messages")) << messages;
  }
  EXPECT_THAT(Error("{\"prompt\": \"\xFF\"}"), HasSubstr("file:1:"));
}

}  // namespace
}  // namespace moiety
