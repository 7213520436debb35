// The command line as a whole: help, usage errors, and output that nobody can take.
#include <gmock/gmock.h>

#include "support/paths.h"
#include "support/process.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kCommands[] = {"run",    "chat",    "eval",     "bench",
                                     "logits", "inspect", "tokenize", "detokenize"};

TEST(Help, ListsTheCommands) {
  for (const char* flag : {"--help", "-h"}) {
    const ProcessResult result = Moiety({flag});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.err, "");
    for (const char* command : kCommands)
      EXPECT_THAT(result.out, HasSubstr("\n  " + std::string(command) + " "));
  }
}

TEST(Help, OfEachCommandHasExamples) {
  for (const std::string command : kCommands) {
    const ProcessResult result = Moiety({command, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.err, "");
    const size_t examples = result.out.find("\nExamples:\n");
    ASSERT_NE(examples, std::string::npos) << result.out;
    EXPECT_NE(result.out.find("moiety " + command + " ", examples), std::string::npos)
        << result.out;
  }
}

TEST(Version, IsPrinted) {
  const ProcessResult result = Moiety({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, testing::MatchesRegex("moiety [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Usage, ErrorsAreOneLineAndSayWhereHelpIs) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "required (see moiety --help)"},
      {{"nonsense"}, "no command nonsense"},
      {{"--nonsense"}, "--nonsense"},
      {{"run", "--nonsense"}, "--nonsense (see moiety run --help)"},
      {{"run", "model", "another"}, "another"},
      {{"run", "-n", "many"}, "many"},
      {{"run", "-p"}, "--prompt"},
      {{"run", "-p", "text", "-f", "file"}, "--file"},
      {{"run", "-t", "0"}, "--threads"},
      {{"run", "-t", "1025"}, "--threads"},
      {{"run", "--experts-layer", "-1"}, "--experts-layer"},
      {{"chat", "-s", "text", "--system-file", "file"}, "--system"},
      {{"chat", "--template", "file", "--plain"}, "--plain"},
      {{"chat", "-n", "-2"}, "--predict"},
      {{"eval"}, "MODEL"},
      {{"eval", "model"}, "FILE"},
      {{"logits", "model", "--ids", "file"}, "--out"},
      {{"logits", "model", "--ids", "file", "--out", "file", "--chunk", "0"}, "--chunk"},
      {{"inspect"}, "(see moiety inspect --help)"},
      {{"inspect", "model", "--json=maybe"}, "--json"},
      {{"detokenize"}, "MODEL"},
      {{"run", "--a\nb\x1b[31m"}, "--a\\nb\\x1b[31m"},
  };
  for (const auto& [arguments, message] : cases) {
    const ProcessResult result = Moiety(arguments);
    ExpectError(result, 2);
    EXPECT_THAT(result.err, AllOf(HasSubstr(message), HasSubstr("--help)")));
  }
}

TEST(Errors, AreOneLineWhateverTheyQuote) {
  const ProcessResult result = Moiety({"inspect", "no such\nfolder\x1b[2J"});
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("no such\\nfolder\\x1b[2J: no such folder"));
}

TEST(FullDisk, IsAnErrorOfEachCommand) {
  const std::string starter = Starter().string();
  const std::vector<std::vector<std::string>> commands = {
      {"--help"},
      {"run", "--help"},
      {"--version"},
      {"run", starter, "-p", "text", "-n", "2", "--seed", "1"},
      {"run", starter, "-p", "text", "-n", "2", "--json"},
      {"chat", starter, "-p", "text", "-n", "2", "--json"},
      {"eval", starter, SourcePath("tests/data/eval/text.txt").string(), "--window", "16"},
      {"eval", starter, SourcePath("tests/data/eval/text.txt").string(), "--window", "16",
       "--json"},
      {"bench", starter, "--memory", "100M", "-p", "4", "-n", "0", "-r", "1"},
      {"bench", starter, "--memory", "100M", "-p", "4", "-n", "0", "-r", "1", "--json"},
      {"inspect", starter},
      {"inspect", starter, "--json"},
      {"tokenize", starter, "text"},
      {"tokenize", starter, "text", "--json"},
      {"detokenize", starter, "5"},
  };
  ProcessOptions options;
  options.stdout_path = "/dev/full";
  for (const auto& arguments : commands) {
    const ProcessResult result = Moiety(arguments, options);
    ExpectError(result, 1);
    EXPECT_THAT(result.err, HasSubstr("standard output: cannot write")) << arguments[0];
  }
}

}  // namespace
}  // namespace moiety
