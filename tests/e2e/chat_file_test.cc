// /save and /load.
#include <gmock/gmock.h>

#include <sstream>

#include "support/chat_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ChatFile : public testing::Test {
 protected:
  ProcessResult Chat(const std::string& input, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {model_, "-n", "6"});
    return PipedChat(input, flags);
  }
  ScratchFolder scratch_;
  std::string model_ = ChatModel(scratch_, "model").string();
  std::string file_ = (scratch_.path() / "chat.json").string();
};

TEST_F(ChatFile, SavedChatsGoOnWhereTheyWere) {
  const ProcessResult whole =
      Chat("one\n\"\"\"two\n\"lines\" é\"\"\"\n/save " + file_ + "\nthree\n",
           {"-s", "Be brief.", "--seed", "3"});
  EXPECT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_THAT(whole.err, HasSubstr("[5 messages saved in " + file_ + "]"));
  const ProcessResult loaded =
      Chat("/load " + file_ + "\nthree\n", {"--seed", "99", "--temp", "0"});
  EXPECT_EQ(loaded.exit_code, 0) << loaded.err;
  EXPECT_THAT(loaded.err, HasSubstr("[5 messages loaded]"));
  EXPECT_FALSE(loaded.out.empty());
  EXPECT_TRUE(whole.out.ends_with(loaded.out)) << whole.out << loaded.out;
}

TEST_F(ChatFile, HoldsMessagesModelAndParameters) {
  ASSERT_EQ(Chat("one\n/save " + file_ + "\n", {"--temp", "0.25", "--seed", "3"}).exit_code, 0);
  const json saved = json::parse(scratch_.Read("chat.json"));
  EXPECT_EQ(saved["model"], model_);
  EXPECT_EQ(saved["parameters"]["temperature"], 0.25);
  EXPECT_EQ(saved["parameters"]["max_tokens"], 6);
  EXPECT_EQ(saved["parameters"]["seed"], 4) << "of the next answer";
  ASSERT_EQ(saved["messages"].size(), 2U);
  EXPECT_EQ(saved["messages"][0], (json{{"role", "user"}, {"content", "one"}}));
  EXPECT_EQ(saved["messages"][1]["role"], "assistant");
  EXPECT_EQ(scratch_.List().size(), 2U) << "no temporary file is left";
}

TEST_F(ChatFile, SaysWhichModelItWas) {
  scratch_.Write("chat.json", R"({"model": "other", "messages": []})");
  EXPECT_THAT(Chat("/load " + file_ + "\n").err,
              HasSubstr("[0 messages loaded, saved with the model other]"));
}

TEST_F(ChatFile, WhatCannotBeLoadedChangesNothing) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "not valid JSON"},
      {"[]", "a saved chat is an object, found []"},
      {"{}", "has no \"messages\""},
      {R"({"messages": {}})", "messages must be a list, found {}"},
      {R"({"messages": [3]})", "message 1 must be an object, found 3"},
      {R"({"messages": [{"role": "user"}]})", "message 1 has no \"content\""},
      {R"({"messages": [{"role": "user", "content": []}]})", "content must be a text, found []"},
      {R"({"messages": [{"role": "user", "content": "a", "name": "b"}]})",
       "message 1: \"name\" is not known here"},
      {R"({"messages": [{"role": "user", "content": "a"}]})", "the answer to it is missing"},
      {R"({"messages": [{"role": "tool", "content": "a"}]})",
       "message 1 must be of role \"user\", found \"tool\""},
      {R"({"messages": [], "model": 3})", "model must be a text, found 3"},
      {R"({"messages": [], "stream": true})", "\"stream\" is not known here"},
      {R"({"messages": [], "parameters": 3})", "parameters must be an object, found 3"},
      {R"({"messages": [], "parameters": {"warmth": 3}})", "there is no parameter \"warmth\""},
      {R"({"messages": [], "parameters": {"temperature": -3}})", "temperature must be"},
      {R"({"messages": [], "parameters": {"temperature": "hot"}})", "temperature must be a number"},
  };
  const std::string kept = (scratch_.path() / "kept.json").string();
  for (const auto& [text, message] : cases) {
    scratch_.Write("chat.json", text);
    const ProcessResult result = Chat("one\n/load " + file_ + "\n/save " + kept + "\n");
    EXPECT_EQ(result.exit_code, 1) << text;
    EXPECT_THAT(result.err, HasSubstr("moiety: /load: " + file_)) << text;
    EXPECT_THAT(result.err, HasSubstr(message)) << text;
    EXPECT_EQ(json::parse(scratch_.Read("kept.json"))["messages"].size(), 2U) << text;
  }
}

TEST_F(ChatFile, ReplacesSavedChatsOnly) {
  EXPECT_EQ(Chat("/save " + file_ + "\n").exit_code, 0);
  const ProcessResult again = Chat("one\n/save " + file_ + "\n");
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.err,
              HasSubstr("[2 messages saved in " + file_ + ", in place of a chat of 0 messages]"));
  EXPECT_EQ(json::parse(scratch_.Read("chat.json"))["messages"].size(), 2U);

  const std::string config = scratch_.Read("model/config.json");
  scratch_.Write("notes.txt", "");
  for (const std::string name : {"model/config.json", "notes.txt"}) {
    const std::string other = (scratch_.path() / name).string();
    const ProcessResult refused = Chat("/save " + other + "\n");
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.err, HasSubstr("moiety: /save: " + other +
                                       ": there is a file that is not a saved chat"));
  }
  EXPECT_EQ(scratch_.Read("model/config.json"), config);
}

TEST_F(ChatFile, FilesThatCannotBe) {
  const ProcessResult result = Chat("/save\n/load\n/save /no/such/folder/file\n/load " +
                                    (scratch_.path() / "none").string() + "\n/save /dev/null\n");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("moiety: /save: name a file\nmoiety: /load: name a file\n"));
  EXPECT_THAT(result.err, HasSubstr("moiety: /save: /no/such/folder"));
  EXPECT_THAT(result.err, HasSubstr("none: cannot open"));
  EXPECT_THAT(result.err, HasSubstr("/dev/null: not a regular file"));
  EXPECT_THAT(result.err, HasSubstr("moiety: 5 of 5 inputs failed"));
}

TEST_F(ChatFile, PlainTextToo) {
  const std::string starter = Starter().string();
  const std::vector<std::string> flags = {starter, "--greedy", "-n", "6"};
  const ProcessResult whole = PipedChat("Il était\n/save " + file_ + "\n\n", flags);
  const ProcessResult loaded = PipedChat("/load " + file_ + "\n\n", flags);
  EXPECT_TRUE(whole.out.ends_with(loaded.out)) << whole.out << loaded.out;
  scratch_.Write("chat.json", R"({"messages": [{"role": "system", "content": "a"}]})");
  EXPECT_THAT(PipedChat("/load " + file_ + "\n", flags).err,
              HasSubstr("message 1 is a system message, but the model has no chat template"));
}

}  // namespace
}  // namespace moiety
