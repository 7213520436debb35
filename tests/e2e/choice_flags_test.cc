// --experts-per-token and --expert-threshold, of every command that has them.
#include <gmock/gmock.h>

#include <cmath>
#include <sstream>

#include "support/chat_model.h"
#include "support/paths.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> kLimits = {"--experts-per-token", "1"};

ProcessResult WithFlags(std::vector<std::string> arguments, const std::vector<std::string>& flags,
                        const std::string& input = "") {
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  ProcessOptions options;
  options.input = input;
  ProcessResult result = Moiety(arguments, options);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result;
}

TEST(ChoiceFlags, RunTellsHowOftenTheyActed) {
  const std::vector<std::string> run = {"run", Starter().string(), "-p", "Il", "-n",
                                        "20",  "--greedy"};
  EXPECT_THAT(WithFlags(run, {}).err, Not(HasSubstr("left out")));
  // All choices is what the model does anyway.
  const ProcessResult all = WithFlags(run, {"--experts-per-token", "2"});
  EXPECT_EQ(all.out, WithFlags(run, {}).out);
  EXPECT_THAT(all.err, ContainsRegex("limits +0 of [0-9]+ choices left out \\(0.0 %\\)"));
  const ProcessResult one = WithFlags(run, kLimits);
  EXPECT_NE(one.out, all.out);
  EXPECT_THAT(one.err, HasSubstr("choices left out (50.0 %)\n"));
  EXPECT_EQ(WithFlags(run, {"--experts-per-token", "1", "--memory", "9M"}).out, one.out);
  const ProcessResult both =
      WithFlags(run, {"--experts-per-token", "2", "--expert-threshold", "0.5"});
  EXPECT_THAT(both.err, ContainsRegex("%\\), 0 by their number, [1-9][0-9]* by their weight\n"));
}

TEST(ChoiceFlags, RunInJsonAndTraces) {
  const ScratchFolder scratch;
  const std::string trace = (scratch.path() / "trace").string();
  const std::vector<std::string> run = {"run",      Starter().string(), "-p",      "Il",  "-n",
                                        "20",       "--greedy",         "--trace", trace, "--json",
                                        "--experts"};
  EXPECT_FALSE(json::parse(WithFlags(run, {}).out).contains("choice_limits"));
  const json document = json::parse(WithFlags(run, {"--expert-threshold", "0.5"}).out);
  const json& found = document["choice_limits"];
  EXPECT_EQ(found["expert_threshold"], 0.5);
  EXPECT_FALSE(found.contains("experts_per_token"));
  EXPECT_EQ(found["left_out_by_experts_per_token"], 0);
  EXPECT_EQ(found["left_out_by_expert_threshold"], found["left_out"]);
  EXPECT_GT(found["left_out"], 0);
  EXPECT_GT(found["choices"], 2 * found["left_out"].get<int>());
  // The trace and the shares have those that ran.
  int64_t choices = 0;
  std::istringstream lines(scratch.Read("trace"));
  for (std::string line; std::getline(lines, line);) {
    const json entry = json::parse(line);
    if (!entry.contains("experts")) continue;
    for (size_t row = 0; row < entry["experts"].size(); ++row) {
      choices += static_cast<int64_t>(entry["experts"][row].size());
      double sum = 0;
      for (const json& weight : entry["weights"][row]) sum += weight.get<double>();
      EXPECT_NEAR(sum, 1, 1e-6);
    }
  }
  const int64_t ran = found["choices"].get<int64_t>() - found["left_out"].get<int64_t>();
  EXPECT_EQ(choices, ran);
  int64_t load = 0;
  for (const json& layer : document["experts"]) {
    for (const json& of_expert : layer["load"]) load += of_expert.get<int64_t>();
  }
  EXPECT_EQ(load, ran);
}

TEST(ChoiceFlags, ManyTexts) {
  const std::string model = Starter().string();
  const ProcessResult batch = WithFlags({"run", model, "--batch", "-"}, kLimits,
                                        R"({"prompt": "Il", "max_tokens": 8, "temperature": 0})"
                                        "\n"
                                        R"({"prompt": "Once", "max_tokens": 8, "temperature": 0})"
                                        "\n");
  EXPECT_THAT(batch.err, HasSubstr("choices left out (50.0 %)"));
  const ProcessResult alone =
      WithFlags({"run", model, "-p", "Il", "-n", "8", "--greedy", "--json"}, kLimits);
  EXPECT_EQ(json::parse(batch.out.substr(0, batch.out.find('\n')))["text"],
            json::parse(alone.out)["text"]);
  const ProcessResult samples = WithFlags(
      {"run", model, "-p", "Il", "-n", "8", "--samples", "2", "--seed", "1", "--json"}, kLimits);
  EXPECT_EQ(json::parse(samples.out)["choice_limits"]["experts_per_token"], 1);
}

TEST(ChoiceFlags, Chat) {
  const std::vector<std::string> chat = {"chat", Starter().string(), "-p", "Il", "-n",
                                         "8",    "--greedy"};
  EXPECT_THAT(WithFlags(chat, kLimits).err, HasSubstr("choices left out (50.0 %)"));
  std::vector<std::string> as_json = chat;
  as_json.emplace_back("--json");
  const ProcessResult found = WithFlags(as_json, kLimits);
  EXPECT_GT(json::parse(found.out)["choice_limits"]["left_out"], 0);
  EXPECT_THAT(found.err, Not(HasSubstr("left out")));
}

TEST(ChoiceFlags, EvalShowsWhatTheyCost) {
  const std::string text = SourcePath("tests/data/eval/text.txt").string();
  const std::vector<std::string> eval = {"eval", Starter().string(), text, "--window", "128"};
  std::vector<std::string> as_json = eval;
  as_json.emplace_back("--json");
  const json plain = json::parse(WithFlags(as_json, {}).out);
  EXPECT_FALSE(plain.contains("unlimited"));
  const json one = json::parse(WithFlags(as_json, kLimits).out);
  EXPECT_EQ(one["unlimited"]["perplexity"], plain["perplexity"]);
  EXPECT_EQ(one["unlimited"]["nll"], plain["nll"]);
  EXPECT_GT(one["perplexity"], plain["perplexity"]);
  EXPECT_DOUBLE_EQ(one["perplexity_cost"],
                   one["perplexity"].get<double>() - plain["perplexity"].get<double>());
  // Counted for the text once, not for what was measured without limits.
  EXPECT_EQ(one["choice_limits"]["choices"], 128 * one["windows"].get<int>() * 4 * 2);
  const json some = json::parse(WithFlags(as_json, {"--expert-threshold", "0.3"}).out);
  EXPECT_LT(some["perplexity"], one["perplexity"]);
  EXPECT_LT(some["choice_limits"]["left_out"], one["choice_limits"]["left_out"]);
  const std::string table = WithFlags(eval, kLimits).out;
  EXPECT_THAT(table,
              ContainsRegex("left out \\(50.0 %\\): \\+[0-9.]+ perplexity \\(\\+[0-9.]+ %\\), "
                            "[0-9.]+ without\n"));
  EXPECT_THAT(WithFlags(eval, {}).out, Not(HasSubstr("left out")));
}

TEST(ChoiceFlags, LogitsAndBench) {
  const ScratchFolder scratch;
  const std::string ids =
      scratch.Write("in.json", R"({"prompts": [{"input_ids": [1, 825, 1199, 44]}]})").string();
  const auto logits = [&](const std::string& out, const std::vector<std::string>& flags) {
    return WithFlags({"logits", Starter().string(), "--ids", ids, "--out",
                      (scratch.path() / out).string(), "--router"},
                     flags);
  };
  logits("whole", {});
  EXPECT_THAT(logits("limited", kLimits).err, HasSubstr("16 of 32 choices left out (50.0 %)"));
  EXPECT_NE(scratch.Read("whole"), scratch.Read("limited"));
  logits("streamed", {"--experts-per-token", "1", "--memory", "9M", "--chunk", "1"});
  EXPECT_TRUE(scratch.Read("streamed") == scratch.Read("limited"));
  const json figures = json::parse(logits("again", {"--expert-threshold", "0.2", "--json"}).out);
  EXPECT_EQ(figures["choice_limits"]["choices"], 32);

  const std::vector<std::string> bench = {"bench", Starter().string(), "-p",  "0", "-n", "4", "-r",
                                          "1",     "--memory",         "150M"};
  EXPECT_THAT(WithFlags(bench, kLimits).out, HasSubstr("\n  48 of 96 choices left out (50.0 %)"));
  const json found = json::parse(WithFlags(bench, {"--experts-per-token", "1", "--json"}).out);
  EXPECT_EQ(found["results"][0]["experts_per_layer"], 1);
  EXPECT_EQ(found["results"][0]["choice_limits"]["left_out"], 3 * 4 * 4);
}

TEST(ChoiceFlags, Errors) {
  const std::string starter = Starter().string();
  const std::string dense = SourcePath("tests/data/models/qwen2").string();
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--experts-per-token", "0"},
                                             {"--experts-per-token", "1.5"},
                                             {"--expert-threshold", "0"},
                                             {"--expert-threshold", "1"},
                                             {"--expert-threshold", "nan"},
                                             {"--expert-threshold", "x"}}) {
    const ProcessResult result = Moiety({"run", starter, "-p", "a", flags[0], flags[1]});
    ExpectError(result, 2);
    EXPECT_THAT(result.err, HasSubstr(flags[0]));
    EXPECT_THAT(result.err, HasSubstr("found \"" + flags[1] + "\""));
  }
  const ProcessResult many = Moiety({"run", starter, "-p", "a", "--experts-per-token", "3"});
  ExpectError(many, 1);
  EXPECT_THAT(many.err, HasSubstr("experts per token must be from 1 to the model's 2, found 3"));
  const ProcessResult none = Moiety({"bench", dense, "--expert-threshold", "0.5"});
  ExpectError(none, 1);
  EXPECT_THAT(none.err, HasSubstr("a dense qwen2 model has no experts"));
}

}  // namespace
}  // namespace moiety
