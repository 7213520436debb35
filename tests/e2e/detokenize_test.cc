// moiety detokenize.
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"

namespace moiety {
namespace {

using testing::HasSubstr;

ProcessResult Detokenize(const std::string& input, const std::vector<std::string>& flags = {}) {
  std::vector<std::string> arguments = {"detokenize", Starter().string()};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  ProcessOptions options;
  options.input = input;
  return Moiety(arguments, options);
}

TEST(Detokenize, ArgumentsAndStandardInput) {
  EXPECT_EQ(Detokenize("", {"825", "1199", "793"}).out, "Il était une\n");
  EXPECT_EQ(Detokenize("825 1199\n793\n").out, "Il était une\n");
  EXPECT_EQ(Detokenize("[1, 825,1199]").out, "Il était\n");
  EXPECT_EQ(Detokenize("[1, 825,1199]", {"--special"}).out, "<s> Il était\n");
  EXPECT_EQ(Detokenize("").out, "\n");
}

TEST(Detokenize, UndoesTokenize) {
  std::ifstream file(SourcePath("tests/data/eval/text.txt"));
  std::stringstream text;
  text << file.rdbuf() << "  \t🙂 e\xCC\x81 \r\n<s>";
  ProcessOptions options;
  options.input = text.str();
  const ProcessResult tokens =
      Moiety({"tokenize", Starter().string(), "--stdin", "--json", "--no-special"}, options);
  ASSERT_EQ(tokens.exit_code, 0);
  const ProcessResult result =
      Detokenize(nlohmann::json::parse(tokens.out)["ids"].dump(), {"--special"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, text.str() + "\n");
}

TEST(Detokenize, RefusesWhatIsNoTokenId) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"4096", "token id 4096 is outside the vocabulary of 4096"},
      {"1 -1", "found \"-1\""},
      {"1 x", "found \"x\""},
      {"1 x\n2\n", "expected token ids"},
      {"99999999999999999999", "expected token ids"},
      {"1.5", "expected token ids"},
      {std::string("1\0002", 3), "expected token ids"},
  };
  for (const auto& [input, message] : cases) {
    const ProcessResult result = Detokenize(input);
    ExpectError(result, 1);
    EXPECT_THAT(result.err, HasSubstr(message)) << input;
  }
  ExpectError(Detokenize("", {"4096"}), 1);
  ExpectError(Detokenize("", {"--", "-1"}), 1);
  ExpectError(Detokenize("", {"x"}), 2);
}

}  // namespace
}  // namespace moiety
