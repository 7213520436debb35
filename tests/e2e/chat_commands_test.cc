// The commands of a chat.
#include <gmock/gmock.h>

#include <sstream>

#include "support/chat_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class ChatCommands : public testing::Test {
 protected:
  ProcessResult Chat(const std::string& input, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {model_, "--greedy", "-n", "6"});
    return PipedChat(input, flags);
  }
  // The answers as JSON objects.
  std::vector<json> Answers(const std::string& input, std::vector<std::string> flags = {}) {
    flags.emplace_back("--json");
    const ProcessResult result = Chat(input, std::move(flags));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::vector<json> answers;
    std::istringstream stream(result.out);
    std::string line;
    while (std::getline(stream, line)) answers.push_back(json::parse(line, nullptr, false));
    return answers;
  }
  void ExpectFails(const std::string& command, const std::string& message) {
    const ProcessResult result = Chat(command + "\n");
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("moiety: " + message));
    EXPECT_EQ(result.out, "");
  }

  ScratchFolder scratch_;
  std::string model_ = ChatModel(scratch_, "model").string();
};

TEST_F(ChatCommands, HelpListsThem) {
  const ProcessResult result = Chat("/help\n");
  EXPECT_EQ(result.exit_code, 0);
  for (const char* command : {"/help", "/reset", "/system [TEXT]", "/save FILE", "/load FILE",
                              "/regen", "/params [NAME VALUE]", "/experts [on|off]", "/exit"}) {
    EXPECT_THAT("\n" + result.err, HasSubstr("\n  " + std::string(command) + " "));
  }
  EXPECT_THAT(result.err, HasSubstr("context of 1024 tokens is full, the oldest messages"));
  EXPECT_THAT(PipedChat("/help\n", {Starter().string()}).err,
              HasSubstr("the beginning of the text is left out"));
}

TEST_F(ChatCommands, UnknownOnesAreErrorsThatListThem) {
  ExpectFails("/nonsense now",
              "there is no command /nonsense; there are /help, /reset, /system, "
              "/save, /load, /regen, /params, /experts, /exit, /quit");
  ExpectFails("/exit now", "/exit takes no argument, found \"now\"");
}

TEST_F(ChatCommands, ResetStartsAgain) {
  const std::vector<json> answers = Answers("one\ntwo\n/reset\none\n", {"-s", "Be brief."});
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[2]["content"], answers[0]["content"]);
  EXPECT_EQ(answers[2]["prompt"]["tokens"], answers[0]["prompt"]["tokens"]);
}

TEST_F(ChatCommands, SystemShowsSetsAndRemoves) {
  const ProcessResult result =
      Chat("/system\n/system Be brief.\n/system\nhello\n/system -\n/system\n");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("no system prompt\n[a new conversation, with this system "
                                    "prompt]\nBe brief.\n"));
  EXPECT_TRUE(result.err.ends_with("without a system prompt]\nno system prompt\n")) << result.err;
  const ProcessResult plain = PipedChat("/system text\n", {Starter().string()});
  EXPECT_EQ(plain.exit_code, 1);
  EXPECT_THAT(plain.err, HasSubstr("moiety: /system: the model has no chat template"));
}

TEST_F(ChatCommands, RegenAnswersAgain) {
  const std::vector<json> greedy = Answers("one\n/regen\ntwo\n");
  ASSERT_EQ(greedy.size(), 3U);
  EXPECT_EQ(greedy[1]["content"], greedy[0]["content"]);
  EXPECT_EQ(Answers("one\ntwo\n")[1]["content"], greedy[2]["content"]) << "one answer is kept";
  EXPECT_EQ(greedy[1]["prompt"]["reused_tokens"], greedy[1]["prompt"]["tokens"].get<int>() - 1);
  const std::vector<json> drawn =
      Answers("/params temp 5\n/params min-p 0\n/params top-k 0\n/params top-p 1\none\n/regen\n",
              {"--seed", "1"});
  EXPECT_NE(drawn[0]["content"], drawn[1]["content"]);
  ExpectFails("/regen", "/regen: there is no answer yet");
}

TEST_F(ChatCommands, ExpertsOfThisConversation) {
  ExpectFails("/experts", "/experts: nothing was computed yet");
  ExpectFails("/experts maybe", "/experts: expected /experts, on or off, found \"maybe\"");
  const ProcessResult result = Chat("hello\n/experts\n/reset\n/experts\n");
  EXPECT_EQ(result.exit_code, 1) << "a new conversation has none";
  EXPECT_THAT(result.err, HasSubstr("layer      e0"));
}

TEST_F(ChatCommands, ExitEnds) {
  for (const char* command : {"/exit", "/quit"}) {
    const ProcessResult result = Chat(std::string(command) + "\nhello\n");
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.out, "");
  }
}

// What only looks like a command is a message.
TEST_F(ChatCommands, OtherSlashesAreMessages) {
  EXPECT_EQ(Answers("// a comment\n/ 2\n \"\"\"\n\"\"\"/help\"\"\"\n").size(), 4U);
}

}  // namespace
}  // namespace moiety
