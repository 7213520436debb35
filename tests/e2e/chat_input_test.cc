// How lines become messages.
#include <gmock/gmock.h>

#include "support/chat_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// What the user said, as it was saved after `input`.
std::vector<std::string> Messages(const std::string& input) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  const std::string file = (scratch.path() / "chat.json").string();
  const ProcessResult result =
      PipedChat(input + "/save " + file + "\n", {model, "--greedy", "-n", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json saved = json::parse(scratch.Read("chat.json"), nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> messages;
  if (!saved.is_object()) return messages;
  for (const json& message : saved["messages"]) {
    if (message["role"] == "user") messages.push_back(message["content"]);
  }
  return messages;
}

TEST(ChatInput, ALineIsAMessage) {
  EXPECT_THAT(Messages("one\n two \r\nthree\n"), ElementsAre("one", " two ", "three"));
}

TEST(ChatInput, ABackslashGoesOn) {
  EXPECT_THAT(Messages("one\\\ntwo\\\n\nthree\n"), ElementsAre("one\ntwo\n", "three"));
  EXPECT_THAT(Messages("in the \\ middle\n"), ElementsAre("in the \\ middle"));
}

TEST(ChatInput, Blocks) {
  EXPECT_THAT(Messages("\"\"\"\none\n\n/help\\\n\"\"\"\n"), ElementsAre("one\n\n/help\\"));
  EXPECT_THAT(Messages("\"\"\"one\ntwo\"\"\"\n"), ElementsAre("one\ntwo"));
  EXPECT_THAT(Messages("\"\"\"one\"\"\"\ntwo\n"), ElementsAre("one", "two"));
  EXPECT_THAT(Messages("a \"\"\" within\n"), ElementsAre("a \"\"\" within"));
}

TEST(ChatInput, TheEndOfInputEndsALine) {
  for (const std::string input : {"Il était une fois", "\"\"\"Il était une fois\"\"\""}) {
    EXPECT_EQ(PipedChat(input, {Starter().string(), "--greedy", "-n", "6"}).out,
              " de la maison. Elle avait\n");
  }
}

// What is cut off is not sent.
TEST(ChatInput, MessagesWithoutAnEndAreErrors) {
  const std::string block = "moiety: the block that began with \"\"\" has no end\n";
  const std::string line = "moiety: the last line ends in a backslash, and no line follows it\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\"\"\"one\ntwo\n", block}, {"\"\"\"", block}, {"one\\\n", line}, {"one\\\ntwo\\", line}};
  for (const auto& [input, message] : cases) {
    const ProcessResult result = PipedChat(input, {Starter().string(), "--greedy", "-n", "1"});
    EXPECT_EQ(result.exit_code, 1) << input;
    EXPECT_EQ(result.out, "") << input;
    EXPECT_TRUE(result.err.ends_with(message)) << result.err;
  }
}

TEST(ChatInput, LongLines) {
  const std::string line(200'000, 'x');
  const ProcessResult result = PipedChat(line + "\n", {Starter().string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("the message does not fit"));
}

}  // namespace
}  // namespace moiety
