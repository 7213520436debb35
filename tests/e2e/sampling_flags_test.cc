// The sampling flags mean the same to run and to chat. What each of them does is in run_test.cc.
#include <gmock/gmock.h>

#include "support/chat_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kSampledPrompt = "Il était une fois";

std::string RunText(std::vector<std::string> flags) {
  flags.insert(flags.begin(),
               {"run", Starter().string(), "-p", kSampledPrompt, "-n", "16", "--json"});
  const json found = json::parse(Moiety(flags).out, nullptr, /*allow_exceptions=*/false);
  return found.is_object() ? found["text"].get<std::string>() : "";
}

std::string ChatText(std::vector<std::string> flags) {
  flags.insert(flags.begin(), {Starter().string(), "-p", kSampledPrompt, "-n", "16", "--json"});
  const json found = json::parse(PipedChat("", flags).out, nullptr, /*allow_exceptions=*/false);
  return found.is_object() ? found["content"].get<std::string>() : "";
}

TEST(SamplingFlags, RunAndChatAgree) {
  for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
           {"--greedy"},
           {"--seed", "3"},
           {"--seed", "3", "--temp", "2", "--top-k", "0", "--top-p", "1", "--min-p", "0"},
           {"--seed", "3", "--temp", "5", "--top-k", "3"},
           {"--seed", "3", "--repeat-penalty", "1.5", "--repeat-last-n", "8"},
           {"--seed", "3", "--presence-penalty", "2", "--frequency-penalty", "1"},
           {"--greedy", "--logit-bias", "825+1000"},
           {"--greedy", "--stop", " Elle"}}) {
    const std::string text = RunText(flags);
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(ChatText(flags), text) << flags.back();
  }
}

TEST(SamplingFlags, AreRefusedAlike) {
  const std::vector<std::pair<std::vector<std::string>, int>> cases = {
      {{"--temp", "-1"}, 2},  {{"--top-p", "1.5"}, 2},    {{"--seed", "-2"}, 2},
      {{"--min-p", "-1"}, 2}, {{"--logit-bias", "5"}, 1}, {{"--logit-bias", "4096+1"}, 1}};
  for (const auto& [flags, exit_code] : cases) {
    std::vector<std::string> run = {"run", Starter().string(), "-p", kSampledPrompt, "--json"};
    std::vector<std::string> chat = {"chat", Starter().string(), "-p", kSampledPrompt};
    run.insert(run.end(), flags.begin(), flags.end());
    chat.insert(chat.end(), flags.begin(), flags.end());
    EXPECT_EQ(Moiety(run).exit_code, exit_code) << flags[0];
    EXPECT_EQ(Moiety(chat).exit_code, exit_code) << flags[0];
  }
}

}  // namespace
}  // namespace moiety
