// moiety run.
#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <tuple>

#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPrompt = "Il était une fois";
// The model's first 12 tokens after that, greedily (see Starter.WritesFrench).
constexpr const char* kText = " de la maison. Elle avait été bien que le jeune homme";

ProcessResult RunStarter(const std::vector<std::string>& flags, const std::string& input = "") {
  std::vector<std::string> arguments = {"run", Starter().string()};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  ProcessOptions options;
  options.input = input;
  return Moiety(arguments, options);
}

json RunJson(std::vector<std::string> flags) {
  flags.emplace_back("--json");
  const ProcessResult result = RunStarter(flags);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "") << "all of it is in the JSON";
  json document = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(document.is_object()) << result.out;
  return document;
}

std::string Joined(const json& tokens) {
  std::string text;
  for (const json& token : tokens) text += token["text"].get<std::string>();
  return text;
}

TEST(Run, TakesThePromptFromAFlagAFileOrStandardInput) {
  const ScratchFolder scratch;
  const std::string file = scratch.Write("prompt.txt", kPrompt).string();
  const std::string expected = std::string(kPrompt) + kText + "\n";
  EXPECT_EQ(RunStarter({"-p", kPrompt, "--greedy", "-n", "12"}).out, expected);
  EXPECT_EQ(RunStarter({"-p", kPrompt, "--greedy", "-n", "12"}, "standard input is not read").out,
            expected);
  EXPECT_EQ(RunStarter({"-f", file, "--greedy", "-n", "12"}).out, expected);
  EXPECT_EQ(RunStarter({"--temp", "0", "-n", "12"}, kPrompt).out, expected);
}

TEST(Run, ReportsOnStandardError) {
  const ProcessResult result =
      RunStarter({"-p", kPrompt, "--greedy", "-n", "12", "-t", "1", "--seed", "7"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("prompt           5 tokens"));
  EXPECT_THAT(result.err, HasSubstr("generation      12 tokens"));
  EXPECT_THAT(result.err, HasSubstr("1 threads"));
  EXPECT_THAT(result.err, HasSubstr("seed 7"));
}

TEST(Run, NeedsAPrompt) {
  const ScratchFolder scratch;
  const ProcessResult nothing = RunStarter({});
  ExpectError(nothing, 1);
  EXPECT_THAT(nothing.err,
              HasSubstr("no prompt: give one with -p TEXT, with -f FILE or on standard input"));
  const ProcessResult missing = RunStarter({"-f", (scratch.path() / "none").string()});
  ExpectError(missing, 1);
  EXPECT_THAT(missing.err, HasSubstr("none: cannot open"));
  // An empty prompt is one: the text starts with <s>. Without that there is nothing to continue.
  EXPECT_EQ(RunStarter({"-p", "", "-n", "2", "--seed", "1"}).exit_code, 0);
  const ProcessResult empty = RunStarter({"-p", "", "--no-special", "--json"});
  ExpectError(empty, 1);
  EXPECT_THAT(empty.err, HasSubstr("the prompt is empty"));
}

TEST(Run, JsonTellsEverything) {
  const json found = RunJson({"-p", kPrompt, "--greedy", "-n", "12", "--seed", "5"});
  EXPECT_EQ(found["text"], kText);
  EXPECT_EQ(Joined(found["tokens"]), kText);
  EXPECT_EQ(found["tokens"].size(), 12U);
  EXPECT_EQ(found["seed"], 5);
  EXPECT_EQ(found["model"], Starter().string());
  EXPECT_EQ(found["finish_reason"], "length");
  EXPECT_EQ(found["prompt"]["tokens"], 5);
  EXPECT_EQ(found["generation"]["tokens"], 12);
  EXPECT_GT(found["prompt"]["seconds"], 0);
  EXPECT_GT(found["generation"]["tokens_per_s"], 0);
  EXPECT_GT(found["peak_memory_bytes"], 18'000'000);
  EXPECT_FALSE(found.contains("experts"));
  for (const json& token : found["tokens"]) {
    EXPECT_LE(token["logprob"], 0);
    EXPECT_FALSE(token.contains("top_logprobs"));
  }
}

TEST(Run, StopEndsTheTextBeforeTheString) {
  const json found =
      RunJson({"-p", kPrompt, "--greedy", "-n", "48", "--stop", "ait ét", "--stop", "never"});
  EXPECT_EQ(found["text"], " de la maison. Elle av");
  EXPECT_EQ(Joined(found["tokens"]), " de la maison. Elle av");
  EXPECT_EQ(found["finish_reason"], "stop");
  EXPECT_EQ(RunStarter({"-p", kPrompt, "--greedy", "-n", "48", "--stop", "ait ét"}).out,
            std::string(kPrompt) + " de la maison. Elle av\n");
}

TEST(Run, LogprobsListTheBestTokens) {
  const json found = RunJson({"-p", kPrompt, "--greedy", "-n", "8", "--logprobs", "3"});
  for (const json& token : found["tokens"]) {
    const json& top = token["top_logprobs"];
    ASSERT_EQ(top.size(), 3U);
    EXPECT_EQ(top[0]["id"], token["id"]) << "the greedy choice is the best";
    EXPECT_EQ(top[0]["logprob"], token["logprob"]);
    EXPECT_GE(top[0]["logprob"], top[1]["logprob"]);
    EXPECT_GE(top[1]["logprob"], top[2]["logprob"]);
    EXPECT_FALSE(top[2]["piece"].get<std::string>().empty());
  }
}

TEST(Run, SeedDecidesTheText) {
  const json first = RunJson({"-p", kPrompt, "-n", "32", "--seed", "3", "-t", "1"});
  EXPECT_EQ(RunJson({"-p", kPrompt, "-n", "32", "--seed", "3", "-t", "2"})["tokens"],
            first["tokens"]);
  std::set<std::string> texts = {first["text"]};
  for (const char* seed : {"4", "5", "6"}) {
    texts.insert(RunJson({"-p", kPrompt, "-n", "32", "--seed", seed})["text"].get<std::string>());
  }
  EXPECT_EQ(texts.size(), 4U);
}

TEST(Run, WithoutASeedEachRunIsAnother) {
  const json a = RunJson({"-p", kPrompt, "-n", "16"});
  const json b = RunJson({"-p", kPrompt, "-n", "16"});
  EXPECT_NE(a["seed"], b["seed"]);
  // The seed that was drawn is reported, so that the text can be had again.
  EXPECT_EQ(RunJson({"-p", kPrompt, "-n", "16", "--seed", a["seed"].dump()})["text"], a["text"]);
}

TEST(Run, OptionsReachTheSampler) {
  const std::vector<std::string> base = {"-p", kPrompt, "-n", "6", "--seed", "1"};
  const auto with = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), base.begin(), base.end());
    std::vector<int32_t> ids;
    const json found = RunJson(flags);
    for (const json& token : found["tokens"]) ids.push_back(token["id"]);
    return ids;
  };
  const std::vector<int32_t> greedy = with({"--greedy"});
  EXPECT_NE(with({"--temp", "5", "--top-k", "0", "--top-p", "1", "--min-p", "0"}), greedy);
  // Each of these leaves the best token only.
  EXPECT_EQ(with({"--temp", "5", "--top-k", "1"}), greedy);
  EXPECT_EQ(with({"--temp", "5", "--top-p", "0"}), greedy);
  EXPECT_EQ(with({"--temp", "5", "--top-k", "0", "--min-p", "1"}), greedy);
  EXPECT_EQ(with({"--greedy", "--logit-bias", "825+1000"}), std::vector<int32_t>(6, 825));
  EXPECT_NE(with({"--greedy", "--logit-bias", std::to_string(greedy[0]) + "-1000"})[0], greedy[0]);
  EXPECT_NE(with({"--greedy", "--logit-bias", std::to_string(greedy[0]) + "-inf"})[0], greedy[0]);
  for (const char* penalty : {"--repeat-penalty", "--presence-penalty", "--frequency-penalty"}) {
    const std::vector<int32_t> ids =
        with({"--greedy", "--logit-bias", "825+1000", penalty, "100000"});
    EXPECT_NE(ids, std::vector<int32_t>(6, 825)) << penalty;
    EXPECT_EQ(
        with({"--greedy", "--logit-bias", "825+1000", penalty, "100000", "--repeat-last-n", "0"}),
        std::vector<int32_t>(6, 825))
        << penalty;
  }
}

TEST(Run, EndOfTextEndsIt) {
  const json ended = RunJson({"-p", kPrompt, "--greedy", "--logit-bias", "2+1000"});
  EXPECT_EQ(ended["finish_reason"], "stop");
  EXPECT_EQ(ended["text"], "");
  EXPECT_EQ(ended["generation"]["tokens"], 1);
  const json ignored =
      RunJson({"-p", kPrompt, "--greedy", "--logit-bias", "2+1000", "--ignore-eos", "-n", "3"});
  EXPECT_EQ(ignored["finish_reason"], "length");
  EXPECT_EQ(ignored["generation"]["tokens"], 3);
}

TEST(Run, NoTokensIsThePromptAlone) {
  const ProcessResult result = RunStarter({"-p", kPrompt, "-n", "0"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, std::string(kPrompt) + "\n");
}

TEST(Run, FillsTheContext) {
  std::string prompt;
  for (int i = 0; i < 990; ++i) prompt += " de";  // a token each
  const ProcessResult result = RunStarter({"--greedy", "-n", "-1", "--ignore-eos"}, prompt);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("; the context is full"));
  const ProcessResult too_long = RunStarter({"-n", "1", "--json"}, prompt + prompt);
  ExpectError(too_long, 1);
  EXPECT_THAT(too_long.err, HasSubstr("do not fit the model's context of 1024"));
}

// What the command line itself knows to be wrong.
TEST(Run, RefusesFlagsOutOfRange) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--temp", "-1"}, "--temp"},
      {{"--temp", "1e9"}, "--temp"},
      {{"--top-k", "-1"}, "--top-k"},
      {{"--top-p", "1.5"}, "--top-p"},
      {{"--min-p", "-0.1"}, "--min-p"},
      {{"--repeat-penalty", "0"}, "--repeat-penalty"},
      {{"--repeat-last-n", "-2"}, "--repeat-last-n"},
      {{"--seed", "-2"}, "--seed"},
      {{"-n", "-2"}, "--predict"},
      {{"--logprobs", "-1"}, "--logprobs"},
      {{"--experts-layer", "-1", "--experts"}, "--experts-layer"},
      {{"--experts-layer", "1"}, "--experts-layer requires --experts"},
  };
  for (const auto& [flags, message] : cases) {
    std::vector<std::string> all = {"-p", "text", "--json"};
    all.insert(all.end(), flags.begin(), flags.end());
    const ProcessResult result = RunStarter(all);
    ExpectError(result, 2);
    EXPECT_THAT(result.err, HasSubstr(message));
  }
}

// What only the model, or a closer look, tells.
TEST(Run, RefusesOptionsThatMakeNoSense) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--temp", "nan"}, "temperature must be"},
      {{"--logit-bias", "4096+1"}, "logit_bias names token 4096, outside the vocabulary of 4096"},
      {{"--logit-bias", "4294967301+1"}, "--logit-bias: expected"},
      {{"--logit-bias", "5"}, "--logit-bias: expected ID+BIAS or ID-BIAS, found \"5\""},
      {{"--logit-bias", "5+x"}, "--logit-bias: expected"},
      {{"--logit-bias", "5+1x"}, "--logit-bias: expected"},
      {{"--logit-bias", "5+inf"}, "logit_bias of token 5 must be a number or -inf, found inf"},
      {{"--logit-bias", "5+nan"}, "logit_bias of token 5 must be a number or -inf, found nan"},
      {{"--experts", "--experts-layer", "4"}, "--experts-layer must be from 0 to 3, found 4"},
  };
  for (const auto& [flags, message] : cases) {
    std::vector<std::string> all = {"-p", "text", "--json"};
    all.insert(all.end(), flags.begin(), flags.end());
    const ProcessResult result = RunStarter(all);
    ExpectError(result, 1);
    EXPECT_THAT(result.err, HasSubstr(message));
  }
}

TEST(Run, ModelWithoutATokenizer) {
  const ProcessResult result =
      Moiety({"run", SourcePath("tests/data/models/mixtral_tiny").string(), "-p", "text"});
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("mixtral_tiny/tokenizer.json: cannot open"));
}

}  // namespace
}  // namespace moiety
