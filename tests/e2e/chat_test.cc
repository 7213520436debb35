// moiety chat through a pipe.
#include <gmock/gmock.h>

#include <sstream>

#include "support/chat_model.h"
#include "support/terminal_session.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kChatPrompt = "Il était une fois";
// The model's first 12 tokens after that, greedily (see Starter.WritesFrench).
constexpr const char* kChatText = " de la maison. Elle avait été bien que le jeune homme";

std::vector<json> AnswerLines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  std::string line;
  while (std::getline(stream, line)) lines.push_back(json::parse(line, nullptr, false));
  return lines;
}

TEST(Chat, ContinuesTextWithAModelWithoutATemplate) {
  const std::string once = PipedChat(kChatPrompt, {Starter().string(), "--greedy", "-n", "24"}).out;
  EXPECT_TRUE(once.starts_with(kChatText)) << once;
  // In two steps: an empty line goes on.
  const ProcessResult twice =
      PipedChat(std::string(kChatPrompt) + "\n\n", {Starter().string(), "--greedy", "-n", "12"});
  EXPECT_EQ(twice.exit_code, 0);
  const size_t half = twice.out.find('\n');
  EXPECT_EQ(twice.out.substr(0, half), kChatText);
  EXPECT_EQ(twice.out.substr(0, half) + twice.out.substr(half + 1), once);
  EXPECT_EQ(twice.err,
            "[the model has no chat template: it continues what is typed as plain text]\n");
}

TEST(Chat, AnswersALineAtATime) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  const ProcessResult result = PipedChat("Bonjour\n\n   \nEt puis", {model, "--json", "-n", "8"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> answers = AnswerLines(result.out);
  ASSERT_EQ(answers.size(), 2U) << "an empty line says nothing";
  for (const json& answer : answers) {
    EXPECT_EQ(answer["role"], "assistant");
    EXPECT_TRUE(answer["content"].is_string());
    EXPECT_TRUE(answer["finish_reason"] == "length" || answer["finish_reason"] == "stop");
    EXPECT_EQ(answer["left_out_messages"], 0);
    EXPECT_GT(answer["prompt"]["seconds"], 0);
  }
  EXPECT_EQ(answers[0]["prompt"]["reused_tokens"], 0);
  EXPECT_GT(answers[1]["prompt"]["reused_tokens"], answers[0]["prompt"]["tokens"].get<int>() - 3);
  EXPECT_EQ(answers[1]["seed"], answers[0]["seed"].get<uint64_t>() + 1);
}

TEST(Chat, TheSameSeedIsTheSameChat) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  const std::vector<std::string> flags = {model, "-n", "12", "--temp", "1.5", "--seed", "5"};
  const std::string first = PipedChat("one\ntwo\n/regen\n", flags).out;
  EXPECT_EQ(PipedChat("one\ntwo\n/regen\n", flags).out, first);
  std::vector<std::string> other = flags;
  other.back() = "6";
  EXPECT_NE(PipedChat("one\ntwo\n/regen\n", other).out, first);
}

TEST(Chat, SystemPromptAndFirstMessage) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  const std::string file = scratch.Write("system.txt", "Sois bref.\n").string();
  const std::vector<std::string> more = {"--greedy", "-n", "8", "--json"};
  const auto prompt_of = [&](std::vector<std::string> flags, const std::string& input = "") {
    flags.insert(flags.begin(), model);
    flags.insert(flags.end(), more.begin(), more.end());
    const ProcessResult result = PipedChat(input, flags);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const std::vector<json> answers = AnswerLines(result.out);
    EXPECT_EQ(answers.size(), 1U) << result.out;
    return std::pair(answers.at(0)["prompt"]["tokens"], answers.at(0)["content"]);
  };
  const auto bare = prompt_of({"-p", "Bonjour"}, "standard input is not read");
  EXPECT_EQ(prompt_of({}, "Bonjour\n"), bare);
  const auto with_system = prompt_of({"-p", "Bonjour", "-s", "Sois bref."});
  EXPECT_GT(with_system.first, bare.first);
  EXPECT_EQ(prompt_of({"--system-file", file}, "Bonjour\n"), with_system);
  EXPECT_EQ(prompt_of({}, "/system Sois bref.\nBonjour\n"), with_system);

  const ProcessResult plain = PipedChat("", {Starter().string(), "-s", "Sois bref."});
  ExpectError(plain, 1);
  EXPECT_THAT(plain.err, HasSubstr("the model has no chat template"));
  const ProcessResult missing = PipedChat("", {model, "--system-file", "/no/such/file"});
  ExpectError(missing, 1);
}

TEST(Chat, AFailedTurnIsReportedAndTheRestAnswered) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model", kChatTemplate, 64).string();
  const std::string input = "one\n" + std::string(400, '%') + "\n/nonsense\ntwo\n";
  const ProcessResult result = PipedChat(input, {model, "--greedy", "-n", "4", "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const std::vector<json> answers = AnswerLines(result.out);
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_TRUE(answers[0].contains("content"));
  EXPECT_THAT(answers[1]["error"].get<std::string>(), HasSubstr("the model's context is 64"));
  EXPECT_TRUE(answers[2].contains("content"));
  EXPECT_GT(answers[2]["prompt"]["reused_tokens"], 0) << "the first message is still there";
  EXPECT_THAT(result.err, HasSubstr("moiety: the message does not fit: "));
  EXPECT_THAT(result.err, HasSubstr("moiety: there is no command /nonsense"));
  EXPECT_THAT(result.err, HasSubstr("moiety: 2 of 4 inputs failed\n"));
  EXPECT_EQ(PipedChat("", {model, "-p", std::string(400, '%')}).exit_code, 1);
}

TEST(Chat, EndsAtTheModelsTokens) {
  const ScratchFolder scratch;
  const auto model = ChatModel(scratch, "model");
  // Whatever the model would say first ends the text.
  const json first =
      AnswerLines(PipedChat("Bonjour\n", {model.string(), "--greedy", "-n", "1", "--json"}).out)
          .at(0);
  const std::string word = first["content"];
  ASSERT_FALSE(word.empty());
  std::vector<int32_t> all(4096);
  for (int32_t i = 0; i < 4096; ++i) all[static_cast<size_t>(i)] = i;
  std::filesystem::remove(model / "generation_config.json");
  std::ofstream(model / "generation_config.json") << json{{"eos_token_id", all}};
  const json ended =
      AnswerLines(PipedChat("Bonjour\n", {model.string(), "--greedy", "-n", "9", "--json"}).out)
          .at(0);
  EXPECT_EQ(ended["finish_reason"], "stop");
  EXPECT_EQ(ended["content"], "");
  EXPECT_EQ(ended["generation"]["tokens"], 1);
}

TEST(Chat, WritesNothingButAnswersToStandardOutput) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  const ProcessResult result = PipedChat("/help\n/params\n/system\n/experts on\nhello\n/experts\n",
                                         {model, "--greedy", "-n", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
  EXPECT_EQ(result.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(result.err.find('\x1b'), std::string::npos);
}

TEST(Chat, UsesTheBundledModel) {
  const ProcessResult result = PipedChat("", {"-p", "La maison", "--greedy", "-n", "12"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_GT(result.out.size(), 10U);
}

// Standard input is a file, so that Ctrl-C ends more than the answer.
TEST(Chat, CtrlCEndsAScript) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "long", kChatTemplate, 1'000'000).string();
  const std::string input = scratch.Write("input", "Bonjour\nEt puis\n").string();
  const std::string command = "exec \"$0\" chat \"$1\" --ignore-eos --seed 1 -t 1 <\"$2\"";
  TerminalSession chat({"/bin/sh", "-c", command, MOIETY_BINARY, model, input});
  chat.Expect(" ");
  chat.Send("\x03");
  chat.Expect("stopped: what came of the answer is kept]");
  chat.Expect("moiety: interrupted");
  EXPECT_EQ(chat.Wait(), 1);
}

TEST(Chat, BrokenInputIsReplaced) {
  const ProcessResult result = PipedChat("caf\xE9\n", {Starter().string(), "--greedy", "-n", "2"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("[the message is not UTF-8"));
}

}  // namespace
}  // namespace moiety
