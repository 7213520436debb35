// /params.
#include <gmock/gmock.h>

#include "support/chat_model.h"

namespace moiety {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

ProcessResult Params(const std::string& input) {
  return PipedChat(input, {Starter().string(), "--seed", "7", "--temp", "0.5", "-n", "3"});
}

TEST(ChatParams, AreShown) {
  const ProcessResult result = Params("/params\n");
  EXPECT_EQ(result.exit_code, 0);
  for (const char* line : {"temp +0.5 ", "top-k +40 ", "top-p +0.95 ", "min-p +0.05 ",
                           "repeat-penalty +1.0 ", "repeat-last-n +64 ", "presence-penalty +0.0 ",
                           "frequency-penalty +0.0 ", "seed +7 ", "predict +3 "}) {
    EXPECT_THAT(result.err, ContainsRegex(line));
  }
}

TEST(ChatParams, AreSetByFlagOrName) {
  const ProcessResult result = Params(
      "/params temp 1.5\n/params top_k 7\n/params repetition_penalty 2\n/params  seed   9 \n"
      "/params predict -1\n/params presence-penalty -1e-1\n/params\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* line : {"temp +1.5 ", "top-k +7 ", "repeat-penalty +2.0 ", "seed +9 ",
                           "predict +-1 ", "presence-penalty +-0.1 "}) {
    EXPECT_THAT(result.err, ContainsRegex(line));
  }
}

TEST(ChatParams, ActOnTheNextAnswer) {
  const std::string french = "Il était une fois\n";
  const ProcessResult result = Params("/params temp 0\n/params predict 12\n" + french);
  EXPECT_EQ(result.out, " de la maison. Elle avait été bien que le jeune homme\n");
}

TEST(ChatParams, WrongOnesAreRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"warmth 1", "/params: there is no parameter \"warmth\"; there are temp, top-k, top-p"},
      {"temp", "/params: expected /params NAME VALUE"},
      {"temp hot", "/params: temperature must be a number, found \"hot\""},
      {"temp -1", "temperature must be"},
      {"top-k 1.5", "top_k must be a whole number, found 1.5"},
      {"top-k -1", "top_k must be"},
      {"top-p 2", "top_p must be"},
      {"repeat-penalty 0", "repetition_penalty must be"},
      {"seed -1", "seed must be a whole number of at least 0, found -1"},
      {"predict -2", "max_tokens must be a whole number of at least -1, found -2"},
      {"predict 1e30", "max_tokens must be a whole number of at least -1"},
  };
  for (const auto& [argument, message] : cases) {
    const ProcessResult result = Params("/params " + argument + "\n/params\n");
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_THAT(result.err, ContainsRegex("temp +0.5 ")) << "nothing has changed";
  }
}

}  // namespace
}  // namespace moiety
