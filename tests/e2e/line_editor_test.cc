// moiety chat at a terminal.
#include <gmock/gmock.h>
#include <signal.h>
#include <termios.h>

#include <memory>

#include "support/chat_model.h"
#include "support/terminal_session.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kUp = "\x1b[A";
constexpr const char* kLeft = "\x1b[D";
constexpr const char* kBackspace = "\x7F";
constexpr const char* kCtrlC = "\x03";
constexpr const char* kCtrlD = "\x04";

class ChatAtTerminal : public testing::Test {
 protected:
  void Start(const std::filesystem::path& model, const std::vector<std::string>& flags = {},
             bool colours = false) {
    std::vector<std::string> argv = {MOIETY_BINARY, "chat", model.string(), "-t", "1"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    Start(argv, colours);
  }
  void Start(const std::vector<std::string>& argv, bool colours) {
    ProcessOptions options;
    options.environment = {{"HOME", scratch_.path().string()},
                           {"XDG_STATE_HOME", (scratch_.path() / "state").string()},
                           {"MOIETY_HISTORY", std::nullopt},
                           {"MOIETY_ISA", std::nullopt},
                           {"LC_ALL", std::nullopt},
                           {"LANG", "C"},  // characters are UTF-8 whatever this says
                           {"NO_COLOR", "1"}};
    if (colours) options.environment["NO_COLOR"] = std::nullopt;
    chat_ = std::make_unique<TerminalSession>(argv, options);
    AwaitPrompt();
  }
  // Each prompt begins with this mark, and nothing else has it.
  void AwaitPrompt(const std::string& prompt = ">>> ") {
    chat_->Expect("\x1b[?2004h");
    chat_->Expect(prompt);
  }
  // Types a line; what is shown between its end and the next prompt.
  std::string Type(const std::string& keys, const std::string& prompt = ">>> ") {
    chat_->Send(keys + "\r");
    chat_->Expect("\x1b[?2004l");
    std::string shown = chat_->Expect("\x1b[?2004h");
    chat_->Expect(prompt);
    return shown;
  }
  // What the user said so far.
  std::vector<std::string> Said() {
    EXPECT_THAT(Type("/save " + (scratch_.path() / "chat.json").string()), HasSubstr("saved in "));
    std::vector<std::string> said;
    const json saved = json::parse(scratch_.Read("chat.json"));
    for (const json& message : saved["messages"]) {
      if (message["role"] == "user") said.push_back(message["content"]);
    }
    return said;
  }
  int End(const std::string& keys = kCtrlD) {
    chat_->Send(keys);
    return chat_->Wait();
  }

  ScratchFolder scratch_;
  std::unique_ptr<TerminalSession> chat_;
};

TEST_F(ChatAtTerminal, AnswersAndSaysWhatItIs) {
  Start(Starter(), {"--greedy", "-n", "12"});
  EXPECT_THAT(chat_->output(), HasSubstr("mixtral, 9.05 M parameters, context of 1024 tokens"));
  EXPECT_THAT(chat_->output(), HasSubstr("[the model has no chat template"));
  EXPECT_THAT(Type("Il était une fois"),
              HasSubstr(" de la maison. Elle avait été bien que le jeune homme\r\n"));
  EXPECT_THAT(Type("/nonsense"),
              HasSubstr("moiety: there is no command /nonsense; there are /help"));
  EXPECT_THAT(Type("/regen"), HasSubstr(" de la maison."));
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, CommandsWork) {
  Start(ChatModel(scratch_, "model", kChatTemplate, 128),
        {"--seed", "1", "-n", "8", "--ignore-eos", "-s", "Be brief."});
  const std::string file = (scratch_.path() / "kept.json").string();
  Type("Bonjour");
  Type("/save " + file);
  const auto answer = [&] {
    return json::parse(scratch_.Read("kept.json"))["messages"][2]["content"].get<std::string>();
  };
  const std::string first = answer();
  Type("/regen");
  Type("/save " + file);
  EXPECT_NE(answer(), first);
  EXPECT_THAT(Type("/experts"), HasSubstr("balance"));
  std::string shown;
  for (int i = 0; i < 8; ++i) shown += Type("some words to fill it");
  EXPECT_THAT(shown, HasSubstr("[the context of 128 tokens is full: the oldest"));
  EXPECT_THAT(Type("/load " + file), HasSubstr("[3 messages loaded]"));
  EXPECT_THAT(Said(), ElementsAre("Bonjour"));
  EXPECT_THAT(Type("/system"), HasSubstr("Be brief."));
  EXPECT_EQ(End("/quit\r"), 0);
}

TEST_F(ChatAtTerminal, ColoursOfExperts) {
  Start(Starter(), {"--greedy", "-n", "3"});
  EXPECT_THAT(Type("Il"), Not(HasSubstr("\x1b[38;5;")));
  Type("/experts on");
  EXPECT_THAT(Type("Il"), Not(HasSubstr("\x1b[38;5;"))) << "NO_COLOR is set";
  EXPECT_EQ(End(), 0);
  Start(Starter(), {"--greedy", "-n", "3"}, /*colours=*/true);
  Type("/experts on");
  EXPECT_THAT(Type("Il"), HasSubstr("\x1b[38;5;"));
  Type("/experts off");
  EXPECT_THAT(Type("Il"), Not(HasSubstr("\x1b[38;5;")));
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, EditsLines) {
  Start(ChatModel(scratch_, "model"), {"--greedy", "-n", "2"});
  Type(std::string("bc") + kLeft + kLeft + "a");
  Type(std::string("aé") + kBackspace + "e");
  Type(std::string("xé漢z") + kLeft + kBackspace + kLeft + "ü");
  Type("one two\x17three");  // Ctrl-W
  Type(
      "end\x01"
      "begin \x05 end");  // Ctrl-A, Ctrl-E
  EXPECT_THAT(Said(), ElementsAre("abc", "ae", "xüéz", "one three", "begin end end"));
  EXPECT_EQ(End("/exit\r"), 0);
}

TEST_F(ChatAtTerminal, RemembersOverSessions) {
  const auto model = ChatModel(scratch_, "model");
  Start(model, {"--greedy", "-n", "2"});
  Type("first é");
  Type("a\\", "... ");
  Type("b");
  EXPECT_EQ(End(), 0);
  EXPECT_EQ(scratch_.Read("state/moiety/chat_history"), "first é\na\\nb\n");

  Start(model, {"--greedy", "-n", "2"});
  Type(std::string(kUp) + kUp);
  Type(std::string(kUp) + kUp);  // the one before what was just said again
  Type(
      "\x12"
      "fir\x1b!");  // Ctrl-R searches; Escape and the rest end the search
  const std::vector<std::string> said = Said();
  ASSERT_GE(said.size(), 2U);
  EXPECT_EQ(said[0], "first é");
  EXPECT_EQ(said[1], "a\nb");
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, TakesSeveralLines) {
  Start(ChatModel(scratch_, "model"), {"--greedy", "-n", "2"});
  Type("one\\", "... ");
  Type("two\\", "... ");
  Type("three");
  Type("\"\"\"", "... ");
  Type("/not a command\\", "... ");
  Type("\"\"\"");
  // A paste keeps its line breaks and is not sent by them.
  Type("paste: \x1b[200~x\ry\\\rz\r\x1b[201~!");
  EXPECT_THAT(Said(), ElementsAre("one\ntwo\nthree", "/not a command\\", "paste: x\ny\\\nz!"));
  // Also where a line break is two characters, as in files of Windows.
  Type("/reset");
  Type("\x1b[200~a\r\nb\r\r\nc\nd\x1b[201~");
  EXPECT_THAT(Said(), ElementsAre("a\nb\n\nc\nd"));
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, CtrlCStopsTheAnswerNotTheProgram) {
  // Long enough that nobody waits for its end.
  Start(ChatModel(scratch_, "long", kChatTemplate, 1'000'000), {"--ignore-eos", "--seed", "1"});
  chat_->Send("Il était une fois\r");
  chat_->Expect("\x1b[?2004l");
  chat_->Expect(" ");
  chat_->Send(kCtrlC);
  chat_->Expect("[stopped: what came of the answer is kept]");
  AwaitPrompt();
  Type("/params predict 3");
  EXPECT_THAT(Type("more"), HasSubstr("[the answer was cut at 3 tokens]"));
  EXPECT_THAT(Said(), ElementsAre("Il était une fois", "more"));
  const json messages = json::parse(scratch_.Read("chat.json"))["messages"];
  EXPECT_FALSE(messages[1]["content"].get<std::string>().empty());
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, CtrlCTwiceEnds) {
  Start(Starter(), {"--greedy", "-n", "2"});
  const auto press = [&] {
    chat_->Send(kCtrlC);
    chat_->Expect("\x1b[?2004l");
  };
  press();
  chat_->Expect("[Ctrl-C again, Ctrl-D or /exit ends the chat]");
  AwaitPrompt();
  chat_->Send("dropped");
  chat_->Expect("dropped");
  press();
  AwaitPrompt();
  EXPECT_THAT(Said(), IsEmpty());
  press();
  AwaitPrompt();
  chat_->Send(kCtrlC);
  EXPECT_EQ(chat_->Wait(), 0);
}

TEST_F(ChatAtTerminal, CtrlCWithinAMessageDropsIt) {
  Start(Starter(), {"--greedy", "-n", "2"});
  Type("\"\"\"one", "... ");
  chat_->Send(kCtrlC);
  AwaitPrompt();
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, CtrlDWithinAMessageDropsIt) {
  Start(Starter(), {"--greedy", "-n", "2"});
  for (const char* begin : {"\"\"\"one", "one\\"}) {
    Type(begin, "... ");
    chat_->Send(kCtrlD);
    chat_->Expect("[the message had no end: it is dropped]");
    AwaitPrompt();
  }
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_EQ(End(), 0);
}

// Whatever ends the program, the shell gets the terminal as it was.
TEST_F(ChatAtTerminal, SignalsLeaveTheTerminalAsItWas) {
  for (const int signal : {SIGTERM, SIGHUP, SIGQUIT}) {
    Start({"/bin/sh", "-c", "ulimit -c 0; exec \"$0\" chat \"$1\"", MOIETY_BINARY,
           Starter().string()},
          /*colours=*/false);
    EXPECT_EQ(chat_->Modes().c_lflag & ICANON, 0U);
    chat_->Signal(signal);
    chat_->Expect("\x1b[?2004l");
    EXPECT_EQ(chat_->Wait(), 128 + signal);
    EXPECT_EQ(chat_->Modes().c_lflag & (ECHO | ICANON | ISIG), tcflag_t{ECHO | ICANON | ISIG});
  }
}

// Under nohup, for one.
TEST_F(ChatAtTerminal, IgnoredSignalsStayIgnored) {
  Start({"/bin/sh", "-c", "trap '' HUP; exec \"$0\" chat \"$1\" --greedy -n 2", MOIETY_BINARY,
         Starter().string()},
        /*colours=*/false);
  chat_->Signal(SIGHUP);
  EXPECT_THAT(Type("/system"), HasSubstr("no system prompt"));
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, CtrlZGivesTheTerminalBackToTheShell) {
  Start({"/bin/sh", "-c", "set -m; \"$0\" chat \"$1\" --greedy -n 2; stty -a; fg", MOIETY_BINARY,
         Starter().string()},
        /*colours=*/false);
  chat_->Send("/sys");
  chat_->Expect("/sys");
  chat_->Send("\x1a");
  chat_->Expect("\x1b[?2004l");
  chat_->Expect(" icanon");
  AwaitPrompt();
  EXPECT_THAT(Type("tem"), HasSubstr("no system prompt"));
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, CompletesCommands) {
  Start(Starter(), {"--greedy", "-n", "2"});
  chat_->Send("/he\t");
  chat_->Expect("lp ");
  EXPECT_THAT(Type(""), HasSubstr("/experts"));
  chat_->Send("/re\tset\r");  // /reset and /regen have no more in common
  chat_->Expect("[a new conversation]");
  AwaitPrompt();
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, FollowsTheWindow) {
  Start(ChatModel(scratch_, "model"), {"--greedy", "-n", "2"});
  chat_->Resize(10, 20);
  const std::string words = "a line that is longer than the window is now";
  Type(words);
  EXPECT_THAT(Said(), ElementsAre(words));
  EXPECT_EQ(End(), 0);
}

TEST_F(ChatAtTerminal, FirstMessageOfTheCommandLine) {
  Start(Starter(), {"--greedy", "-n", "12", "-p", "Il était une fois"});
  EXPECT_THAT(chat_->output(), HasSubstr(" de la maison. Elle avait"));
  EXPECT_THAT(Said(), ElementsAre("Il était une fois"));
  EXPECT_EQ(End(), 0);
}

}  // namespace
}  // namespace moiety
