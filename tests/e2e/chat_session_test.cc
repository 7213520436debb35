// What a chat says about its answers: a full context, figures, experts.
#include <gmock/gmock.h>

#include <sstream>

#include "support/chat_model.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

std::string Repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(ChatSession, SaysWhatAFullContextLeavesOut) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model", kChatTemplate, 128).string();
  const ProcessResult result = PipedChat(Repeated("some words to fill it\n", 8),
                                         {model, "--greedy", "-n", "8", "-s", "Be brief."});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, ContainsRegex("the context of 128 tokens is full: the oldest [0-9]+ "
                                        "messages are left out of what the model sees"));
}

TEST(ChatSession, SaysWhatAFullContextLeavesOutOfAText) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model", "", 128).string();
  const ProcessResult result =
      PipedChat("Il était une fois\n" + Repeated("\n", 12), {model, "--greedy", "-n", "16"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, ContainsRegex("the context of 128 tokens is full: the first [0-9]+ "
                                        "bytes of the text are left out"));
}

TEST(ChatSession, SaysThatAnAnswerWasCut) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model", kChatTemplate, 64).string();
  EXPECT_THAT(PipedChat("hello\n", {model, "--seed", "1", "-n", "2", "--ignore-eos"}).err,
              HasSubstr("[the answer was cut at 2 tokens]"));
  EXPECT_THAT(PipedChat("hello\n", {model, "--seed", "1", "--ignore-eos"}).err,
              HasSubstr("[the context of 64 tokens is full: the answer was cut]"));
}

TEST(ChatSession, TellsFiguresWhenAsked) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  const std::string figures =
      "prompt [0-9]+ tokens, [1-9][0-9]* reused, [0-9]+ at [0-9.]+ "
      "tokens/s; answer 4 tokens at";
  const std::vector<std::string> flags = {model, "--greedy", "-n", "4", "--ignore-eos"};
  EXPECT_THAT(PipedChat("a\nb\n", flags).err, Not(HasSubstr("reused")));
  std::vector<std::string> verbose = flags;
  verbose.emplace_back("-v");
  EXPECT_THAT(PipedChat("a\nb\n", verbose).err, ContainsRegex(figures));
}

TEST(ChatSession, TellsExperts) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  const ProcessResult text = PipedChat("hello\n", {model, "--greedy", "-n", "4", "--experts"});
  EXPECT_THAT(text.err, HasSubstr("balance")) << "the table at the end";
  const ProcessResult result =
      PipedChat("hello\n", {model, "--greedy", "-n", "4", "--experts", "--json"});
  const json answer = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(answer.is_object()) << result.out;
  ASSERT_EQ(answer["experts"].size(), 4U);
  // Prompt and answer, but for its last token, with two experts each.
  int64_t total = 0;
  for (const json& load : answer["experts"][0]["load"]) total += load.get<int64_t>();
  EXPECT_EQ(total, 2 * (answer["prompt"]["tokens"].get<int64_t>() +
                        answer["generation"]["tokens"].get<int64_t>() - 1));
}

TEST(ChatSession, ADenseModelHasNoExperts) {
  const ScratchFolder scratch;
  TinyModel(TinyLlamaConfig()).Write(scratch.path());
  const std::string model = scratch.path().string();
  const ProcessResult flag = PipedChat("a\n", {model, "--experts"});
  ExpectError(flag, 1);
  EXPECT_THAT(flag.err, HasSubstr("is a dense llama model"));
  for (const std::string command : {"/experts", "/experts on"}) {
    const ProcessResult result = PipedChat("a\n" + command + "\n", {model, "-n", "1"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("moiety: /experts: a dense llama model has no experts"));
  }
}

}  // namespace
}  // namespace moiety
