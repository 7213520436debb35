// Prompt look-up from the command line: other figures, the same text.
#include <gmock/gmock.h>

#include "support/chat_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kRepeating =
    "def count(numbers):\n    for number in numbers:\n        count(number)\n\ndef count(";

ProcessResult RunLookup(std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"run", Starter().string(), "-p", kRepeating, "-n", "48"});
  return Moiety(flags);
}

TEST(LookupFlags, TheSameText) {
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--greedy"},
                                             {"--seed", "3"},
                                             {"--seed", "3", "--temp", "2"},
                                             {"--seed", "3", "--samples", "3"}}) {
    const std::string text = RunLookup(flags).out;
    for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{
             {"--lookup", "3"},
             {"--prompt-lookup-max", "2", "--lookup-min", "1", "--draft-max", "20"},
             {"--lookup", "1", "--draft", "2", "--draft-min", "2"}}) {
      std::vector<std::string> both = flags;
      both.insert(both.end(), more.begin(), more.end());
      const ProcessResult found = RunLookup(both);
      EXPECT_EQ(found.exit_code, 0) << found.err;
      EXPECT_EQ(found.out, text);
      EXPECT_THAT(found.err, ContainsRegex("lookup +[0-9]+ tokens proposed, [0-9]+ of them kept"));
    }
  }
  EXPECT_THAT(RunLookup({"--greedy"}).err, Not(HasSubstr("lookup")));
}

TEST(LookupFlags, FiguresInJson) {
  const json plain = json::parse(RunLookup({"--greedy", "--json"}).out);
  const json found = json::parse(RunLookup({"--greedy", "--json", "--lookup", "3"}).out);
  EXPECT_EQ(found["tokens"], plain["tokens"]);
  EXPECT_FALSE(plain.contains("lookup"));
  EXPECT_GT(found["lookup"]["accepted_tokens"], 0);
  EXPECT_GE(found["lookup"]["drafted_tokens"], found["lookup"]["accepted_tokens"]);
}

TEST(LookupFlags, Chat) {
  const std::vector<std::string> flags = {Starter().string(), "-p", kRepeating, "-n", "48",
                                          "--greedy",         "-v"};
  const ProcessResult plain = PipedChat("", flags);
  std::vector<std::string> more = flags;
  more.insert(more.end(), {"--lookup", "3"});
  const ProcessResult found = PipedChat("", more);
  EXPECT_EQ(found.out, plain.out);
  EXPECT_THAT(found.err, ContainsRegex(", [0-9]+ of [0-9]+ tokens looked up"));
  EXPECT_THAT(PipedChat("/experts on\n", {Starter().string(), "--lookup", "3"}).err,
              HasSubstr("experts are not shown with --lookup"));
}

TEST(LookupFlags, AreRefused) {
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--lookup", "-1"},
                                             {"--lookup", "257"},
                                             {"--lookup", "3", "--experts"},
                                             {"--lookup", "3", "--trace", "trace.jsonl"},
                                             {"--lookup", "3", "--draft-max", "0"},
                                             {"--draft-max", "4"},
                                             {"--lookup-min", "2"}}) {
    ExpectError(RunLookup(flags), 2);
  }
}

}  // namespace
}  // namespace moiety
