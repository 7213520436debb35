// moiety run --batch, and --samples.
#include <gmock/gmock.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "support/chat_model.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

ProcessResult RunBatch(const std::string& lines, std::vector<std::string> flags = {},
                       const std::string& model = Starter().string()) {
  flags.insert(flags.begin(), {"run", model, "--batch", "-"});
  ProcessOptions options;
  options.input = lines;
  return Moiety(flags, options);
}

std::vector<json> Lines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(json::parse(line, nullptr, /*allow_exceptions=*/false));
    EXPECT_TRUE(lines.back().is_object()) << line;
  }
  return lines;
}

// The text that `run` writes after a prompt.
std::string Alone(const std::string& prompt, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"run", Starter().string(), "-p", prompt, "--json"});
  const json found = json::parse(Moiety(flags).out, nullptr, /*allow_exceptions=*/false);
  return found.is_object() ? found["text"].get<std::string>() : "?";
}

TEST(BatchRun, AnswersInTheOrderOfTheFile) {
  const ScratchFolder scratch;
  const std::string file =
      scratch
          .Write("in.jsonl",
                 "{\"prompt\": \"Once upon a time\", \"max_tokens\": 30}\n"
                 "{\"id\": \"second\", \"prompt\": \"def f(\", \"max_tokens\": 3}\n"
                 "\n"
                 "{\"prompt\": \"Il était une fois\", \"temperature\": 0, \"n\": 2}\n"
                 "{\"id\": 9, \"prompt\": \"Die\", \"seed\": 5, \"stop\": \" \"}\n")
          .string();
  const ProcessResult result =
      Moiety({"run", Starter().string(), "--batch", file, "--seed", "3", "-n", "12"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> lines = Lines(result.out);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0]["line"], 1);
  EXPECT_EQ(lines[0]["index"], 0);
  EXPECT_EQ(lines[0]["seed"], 3);
  EXPECT_EQ(lines[0]["completion_tokens"], 30);
  EXPECT_EQ(lines[0]["finish_reason"], "length");
  EXPECT_EQ(lines[0]["text"], Alone("Once upon a time", {"--seed", "3", "-n", "30"}));
  EXPECT_EQ(lines[1]["id"], "second");
  EXPECT_FALSE(lines[1].contains("line"));
  EXPECT_EQ(lines[1]["text"], Alone("def f(", {"--seed", "3", "-n", "3"}));
  for (const size_t i : {2, 3}) {
    EXPECT_EQ(lines[i]["line"], 4);
    EXPECT_EQ(lines[i]["index"], i - 2);
    EXPECT_EQ(lines[i]["text"], " de la maison. Elle avait été bien que le jeune homme");
    EXPECT_EQ(lines[i]["prompt_tokens"], 5);
  }
  EXPECT_EQ(lines[4]["id"], 9);
  EXPECT_EQ(lines[4]["finish_reason"], "stop");
  EXPECT_EQ(lines[4]["text"], Alone("Die", {"--seed", "5", "-n", "12", "--stop", " "}));
  EXPECT_THAT(result.err, HasSubstr("4 requests in"));
  EXPECT_THAT(result.err, HasSubstr("tokens/s"));
  EXPECT_THAT(result.err, Not(HasSubstr("\r"))) << "no bar where there is no terminal";
}

TEST(BatchRun, LimitsChangeNoText) {
  std::string lines;
  for (int i = 0; i < 9; ++i) {
    lines += "{\"prompt\": \"" + std::string(static_cast<size_t>(1 + i * 40), 'x') +
             "\", \"seed\": " + std::to_string(i) + "}\n";
  }
  const ProcessResult expected = RunBatch(lines, {"-n", "20"});
  EXPECT_EQ(Lines(expected.out).size(), 9U);
  for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
           {"-np", "1"},
           {"--max-num-seqs", "3", "--max-num-batched-tokens", "5"},
           {"--parallel", "9", "-b", "33"}}) {
    std::vector<std::string> all = {"-n", "20"};
    all.insert(all.end(), flags.begin(), flags.end());
    EXPECT_EQ(RunBatch(lines, all).out, expected.out) << flags.front();
  }
}

TEST(BatchRun, MessagesGoThroughTheChatTemplate) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "chat").string();
  const ProcessResult result = RunBatch(
      R"({"messages": [{"role": "user", "content": "Hi"}], "temperature": 0, "max_tokens": 8})", {},
      model);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json chat = json::parse(
      PipedChat("", {model, "-p", "Hi", "--greedy", "-n", "8", "--json"}).out, nullptr, false);
  ASSERT_TRUE(chat.is_object());
  EXPECT_EQ(Lines(result.out).at(0)["text"], chat["content"]);
  // Without a template only those requests fail.
  const ProcessResult none = RunBatch(
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}\n{\"prompt\": \"a\", \"n\": "
      "2}\n",
      {"-n", "3"});
  EXPECT_EQ(none.exit_code, 1);
  const std::vector<json> lines = Lines(none.out);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[0]["error"].get<std::string>(), HasSubstr("template"));
  EXPECT_FALSE(lines[0].contains("text"));
  EXPECT_TRUE(lines[2].contains("text"));
  EXPECT_THAT(none.err, HasSubstr("moiety: 1 of 2 requests failed"));
}

// A message may name a file; the answers are JSON all the same.
TEST(BatchRun, NamesOfFilesNeedNotBeUtf8) {
  const ScratchFolder scratch;
  const std::filesystem::path model = scratch.path() / "bad\xFF\xFEname";
  std::filesystem::create_directory_symlink(Starter(), model);
  const ProcessResult result =
      RunBatch("{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}\n{\"prompt\": \"a\"}\n",
               {"-n", "3"}, model.string());
  EXPECT_EQ(result.exit_code, 1) << result.err;
  const std::vector<json> lines = Lines(result.out);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0]["error"].get<std::string>(), HasSubstr("template"));
  EXPECT_TRUE(lines[1].contains("text"));
}

TEST(BatchRun, WhatDoesNotFitFailsAlone) {
  std::string longest;
  for (int i = 0; i < 1500; ++i) longest += "x y ";
  const ProcessResult result = RunBatch(
      "{\"prompt\": \"a\"}\n{\"prompt\": \"" + longest + "\"}\n{\"prompt\": \"b\"}\n", {"-n", "3"});
  EXPECT_EQ(result.exit_code, 1);
  const std::vector<json> lines = Lines(result.out);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_TRUE(lines[0].contains("text"));
  EXPECT_THAT(lines[1]["error"].get<std::string>(),
              HasSubstr("do not fit the model's context of 1024"));
  EXPECT_TRUE(lines[2].contains("text"));
}

// Every error is one line, and nothing was run.
TEST(BatchRun, HostileFilesAreOneLineErrors) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "standard input: has no requests"},
      {"\n\n", "standard input: has no requests"},
      {"{\"prompt\": \"a\"}\n{\"prompt\": ", "standard input:2: not valid JSON"},
      {"nonsense", "standard input:1: not valid JSON"},
      {std::string("\0\x01\xFF", 3), "standard input:1:"},
      {std::string(100000, '['), "standard input:1:"},
      {"[]", "standard input:1: expected a JSON object"},
      {"{\"prompt\": 3}", "prompt"},
      {"{\"prompt\": \"a\", \"n\": 1e18}", "\"n\" must be an integer from 1 to 1024"},
      {"{\"prompt\": \"a\", \"n\": 999999999999}", "\"n\" must be an integer from 1 to 1024"},
      {"{\"prompt\": \"a\", \"max_tokens\": 1e400}", "standard input:1:"},
      {"{\"prompt\": \"a\"}\n{\"prompt\": \"a\", \"tempperature\": 1}",
       "standard input:2: unknown field \"tempperature\""},
      {"{\"prompt\": \"a\", \"top_p\": 3}", "standard input:1: top_p must be from 0 to 1"},
  };
  for (const auto& [lines, message] : cases) {
    const ProcessResult result = RunBatch(lines);
    ExpectError(result, 1);
    EXPECT_THAT(result.err, HasSubstr(message)) << lines.substr(0, 60);
  }
  const ProcessResult missing = Moiety({"run", Starter().string(), "--batch", "/none/such"});
  ExpectError(missing, 1);
  EXPECT_THAT(missing.err, HasSubstr("/none/such: cannot open"));
}

TEST(BatchRun, FlagsThatDoNotGoTogether) {
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"-p", "x"}, {"-f", "x"}, {"--json"}, {"--experts"}}) {
    std::vector<std::string> all = {"run", Starter().string(), "--batch", "-"};
    all.insert(all.end(), flags.begin(), flags.end());
    ExpectError(Moiety(all), 2);
  }
  const ProcessResult alone = Moiety({"run", Starter().string(), "-p", "x", "-np", "3"});
  ExpectError(alone, 1);
  EXPECT_THAT(alone.err, HasSubstr("with --batch or --samples"));
  ExpectError(Moiety({"run", Starter().string(), "-p", "x", "--samples", "0"}), 2);
  ExpectError(Moiety({"run", Starter().string(), "-p", "x", "--samples", "1025"}), 2);
}

TEST(Samples, AreTheTextsOfTheirSeeds) {
  const std::string prompt = "Il était une fois";
  const ProcessResult result = Moiety(
      {"run", Starter().string(), "-p", prompt, "--samples", "3", "--seed", "7", "-n", "12"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::string expected;
  std::vector<std::string> texts;
  for (const std::string seed : {"7", "8", "9"}) {
    texts.push_back(Alone(prompt, {"--seed", seed, "-n", "12"}));
    expected += (expected.empty() ? "" : "\n") + prompt + texts.back() + "\n";
  }
  EXPECT_EQ(result.out, expected);
  const ProcessResult as_json = Moiety({"run", Starter().string(), "-p", prompt, "--samples", "3",
                                        "--seed", "7", "-n", "12", "--json", "--experts"});
  const json document = json::parse(as_json.out, nullptr, false);
  ASSERT_TRUE(document.is_object()) << as_json.out;
  ASSERT_EQ(document["samples"].size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(document["samples"][i]["text"], texts[i]);
    EXPECT_EQ(document["samples"][i]["seed"], 7 + i);
  }
  EXPECT_TRUE(document.contains("experts"));
}

TEST(Samples, AreTracedBySequence) {
  const ScratchFolder scratch;
  const std::string trace = (scratch.path() / "trace.jsonl").string();
  EXPECT_EQ(Moiety({"run", Starter().string(), "-p", "a b c", "--samples", "3", "-n", "4",
                    "--trace", trace})
                .exit_code,
            0);
  std::set<int64_t> sequences;
  for (const json& line : Lines(scratch.Read("trace.jsonl"))) {
    if (!line.contains("rows")) continue;
    for (const json& row : line["rows"]) sequences.insert(row[0].get<int64_t>());
  }
  EXPECT_EQ(sequences.size(), 3U);
}

}  // namespace
}  // namespace moiety
