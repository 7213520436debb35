// The file of what was typed in a chat.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "support/chat_model.h"
#include "support/terminal_session.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class InputHistory : public testing::Test {
 protected:
  using Environment = std::map<std::string, std::optional<std::string>>;

  // Types the lines; all that was shown.
  std::string Type(const std::vector<std::string>& lines, const Environment& environment,
                   const std::vector<std::string>& flags = {}) {
    std::vector<std::string> argv = {
        MOIETY_BINARY, "chat", Starter().string(), "--greedy", "-n", "1", "-t", "1"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    ProcessOptions options;
    options.environment = {{"HOME", scratch_.path().string()},
                           {"XDG_STATE_HOME", std::nullopt},
                           {"MOIETY_HISTORY", std::nullopt},
                           {"MOIETY_ISA", std::nullopt}};
    for (const auto& [name, value] : environment) options.environment[name] = value;
    TerminalSession chat(argv, options);
    for (const std::string& line : lines) {
      chat.Expect("\x1b[?2004h");
      chat.Expect(">>> ");
      chat.Send(line + "\r");
      chat.Expect("\x1b[?2004l");
    }
    chat.Expect(">>> ");
    chat.Send("\x04");
    EXPECT_EQ(chat.Wait(), 0);
    return chat.output();
  }
  std::string path(const std::string& name) const { return (scratch_.path() / name).string(); }

  ScratchFolder scratch_;
};

TEST_F(InputHistory, IsWhereTheEnvironmentSays) {
  Type({"one"}, {});
  EXPECT_EQ(scratch_.Read(".local/state/moiety/chat_history"), "one\n");
  Type({"two"}, {{"XDG_STATE_HOME", path("state")}});
  EXPECT_EQ(scratch_.Read("state/moiety/chat_history"), "two\n");
  Type({"three"}, {{"XDG_STATE_HOME", "relative"}});
  EXPECT_EQ(scratch_.Read(".local/state/moiety/chat_history"), "one\nthree\n");
  Type({"four"}, {{"MOIETY_HISTORY", path("my history")}});
  EXPECT_EQ(scratch_.Read("my history"), "four\n");
}

TEST_F(InputHistory, IsItsOwnersAlone) {
  Type({"one"}, {{"MOIETY_HISTORY", path("folder/file")}});
  EXPECT_EQ(fs::status(path("folder/file")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(fs::status(path("folder")).permissions(), fs::perms::owner_all);
}

TEST_F(InputHistory, HoldsOneLinePerInput) {
  Type({"same", "same", "/params", "\"\"\"a\\b\"\"\"", ""}, {{"MOIETY_HISTORY", path("file")}});
  EXPECT_EQ(scratch_.Read("file"), "same\n/params\n\"\"\"a\\\\b\"\"\"\n");
}

TEST_F(InputHistory, IsShortened) {
  std::string lines;
  for (int i = 0; i < 2000; ++i) lines += "line " + std::to_string(i) + "\n";
  scratch_.Write("file", lines);
  Type({"last"}, {{"MOIETY_HISTORY", path("file")}});
  const std::string kept = scratch_.Read("file");
  EXPECT_EQ(std::count(kept.begin(), kept.end(), '\n'), 1001);
  EXPECT_TRUE(kept.starts_with("line 1000\n"));
  EXPECT_TRUE(kept.ends_with("line 1999\nlast\n"));
  EXPECT_EQ(fs::status(path("file")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(InputHistory, IsShortenedByBytesToo) {
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += std::to_string(i) + std::string(30'000, 'x') + "\n";
  scratch_.Write("file", lines);
  Type({"last"}, {{"MOIETY_HISTORY", path("file")}});
  const std::string kept = scratch_.Read("file");
  EXPECT_LE(kept.size(), size_t{1} << 20);
  EXPECT_GE(kept.size(), size_t{1} << 19);
  EXPECT_TRUE(kept.ends_with("xx\nlast\n"));
}

// However large a file has become, its latest entries are read, and it is small again.
TEST_F(InputHistory, RecoversFromAHugeFile) {
  scratch_.Write("file", "first\n");
  fs::resize_file(path("file"), uint64_t{80} << 20);  // zeros that take no space
  std::ofstream(path("file"), std::ios::app) << "\nsecond\nthird\n";
  EXPECT_THAT(Type({"last"}, {{"MOIETY_HISTORY", path("file")}}), Not(HasSubstr("moiety: /")));
  ASSERT_EQ(fs::file_size(path("file")), 18U);
  EXPECT_EQ(scratch_.Read("file"), "second\nthird\nlast\n");
}

TEST_F(InputHistory, DoesNotHoldHugeEntries) {
  const std::string huge(70'000, 'x');
  Type({"one", "/" + ("\x1b[200~" + huge) + "\x1b[201~", "two"},
       {{"MOIETY_HISTORY", path("file")}});
  EXPECT_EQ(scratch_.Read("file").substr(0, 100), "one\ntwo\n");
}

// What could not be read is not written to: here, that would wait for a reader.
TEST_F(InputHistory, WhatCannotBeReadIsNotWritten) {
  ASSERT_EQ(mkfifo(path("file").c_str(), 0600), 0);
  EXPECT_THAT(Type({"one", "two"}, {{"MOIETY_HISTORY", path("file")}}),
              HasSubstr("moiety: " + path("file") + ": not a regular file"));
}

TEST_F(InputHistory, CanBeOff) {
  Type({"secret"}, {}, {"--no-history"});
  Type({"secret"}, {{"MOIETY_HISTORY", ""}});
  EXPECT_THAT(scratch_.List(), IsEmpty());
}

TEST_F(InputHistory, FailuresAreOneWarning) {
  scratch_.Write("file", "not a folder");
  const std::string shown = Type({"one", "two"}, {{"MOIETY_HISTORY", path("file/history")}});
  const size_t warning = shown.find("moiety: " + path("file"));
  ASSERT_NE(warning, std::string::npos) << shown;
  EXPECT_EQ(shown.find("moiety: ", warning + 1), std::string::npos) << "once";
}

TEST_F(InputHistory, IsNotForPipes) {
  ProcessOptions options;
  options.input = "one\n";
  options.environment["MOIETY_HISTORY"] = path("file");
  EXPECT_EQ(Moiety({"chat", Starter().string(), "-n", "1"}, options).exit_code, 0);
  EXPECT_THAT(scratch_.List(), IsEmpty());
}

}  // namespace
}  // namespace moiety
