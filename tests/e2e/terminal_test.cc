// What is shown on a terminal, and what everywhere else.
#include <gmock/gmock.h>

#include <optional>
#include <regex>

#include "support/paths.h"
#include "support/process.h"

namespace moiety {
namespace {

ProcessResult RunOnTerminal(const std::vector<std::string>& more, const std::string& term,
                            std::optional<std::string> no_color = std::nullopt) {
  std::vector<std::string> arguments = {"run", Starter().string(), "-p", "Il était", "-n",
                                        "8",   "--greedy"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  ProcessOptions options;
  options.terminal = true;
  options.environment = {{"TERM", term}, {"NO_COLOR", std::move(no_color)}};
  ProcessResult result = Moiety(arguments, options);
  EXPECT_EQ(result.exit_code, 0);
  result.out = std::regex_replace(result.out, std::regex("\r\n"), "\n");
  return result;
}

TEST(Colours, AreForTerminals) {
  const std::string plain = RunOnTerminal({"--experts"}, "dumb").out;
  EXPECT_EQ(plain.find('\x1b'), std::string::npos);
  EXPECT_EQ(RunOnTerminal({"--experts"}, "xterm", "1").out, plain) << "NO_COLOR";
  EXPECT_EQ(RunOnTerminal({}, "xterm").out.find('\x1b'), std::string::npos)
      << "only with --experts";

  for (const std::string& out :
       {RunOnTerminal({"--experts"}, "xterm").out, RunOnTerminal({"--experts"}, "xterm", "").out}) {
    // Nothing but colours is added, and each is ended.
    const std::regex colour("\x1b\\[38;5;[0-9]+m([^\x1b]*)\x1b\\[0m");
    EXPECT_EQ(std::regex_replace(out, colour, "$1"), plain);
    const auto count =
        std::distance(std::sregex_iterator(out.begin(), out.end(), colour), std::sregex_iterator());
    EXPECT_GE(count, 8 + 8 + 4 * 8) << "tokens, heading, shares";
  }
}

TEST(Colours, OfTokensAreThoseOfALayer) {
  const std::string last = RunOnTerminal({"--experts"}, "xterm").out;
  EXPECT_EQ(RunOnTerminal({"--experts", "--experts-layer", "3"}, "xterm").out, last);
  EXPECT_NE(RunOnTerminal({"--experts", "--experts-layer", "0"}, "xterm").out, last);
}

TEST(Colours, AreNotInJson) {
  EXPECT_EQ(RunOnTerminal({"--experts", "--json"}, "xterm").out.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace moiety
