// moiety train.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

std::string Text() {
  std::string text;
  for (int i = 0; i < 4000; ++i) {
    text += std::to_string(i * 7919 % 1000) + (i % 5 == 0 ? ".\n" : " and ");
  }
  return text;
}

// A small run: the preset with everything small.
std::vector<std::string> SmallRun(const ScratchFolder& folder, const std::string& out) {
  std::vector<std::string> arguments = {"train",
                                        "--preset",
                                        "tiny",
                                        "--data",
                                        (folder.path() / "text.txt").string(),
                                        "--out",
                                        (folder.path() / out).string()};
  for (const char* setting :
       {"model.vocab_size=300", "model.d_model=32", "model.num_heads=2", "model.num_kv_heads=1",
        "model.head_dim=16", "model.num_layers=2", "model.d_expert=32", "model.num_experts=4",
        "data.sequence_length=32", "data.validation_tokens=100", "loop.batch_sequences=4",
        "loop.micro_batch_sequences=2", "loop.validate_every=20", "loop.save_every=5",
        "loop.keep_checkpoints=2", "schedule.warmup_steps=2"}) {
    arguments.insert(arguments.end(), {"--set", setting});
  }
  return arguments;
}

std::vector<std::string> With(std::vector<std::string> arguments,
                              const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(Train, FromTextToText) {
  const ScratchFolder folder;
  folder.Write("text.txt", Text());
  ProcessResult result = Moiety(With(SmallRun(folder, "run"), {"--steps", "30", "--json"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  EXPECT_EQ(report["architecture"], "mixtral");
  EXPECT_EQ(report["step"], 30);
  EXPECT_TRUE(report["finished"]);
  EXPECT_GT(report["validation"]["loss"], 1.0);
  const std::string model = report["model"];
  result = Moiety({"run", model, "-p", "12 and", "-n", "8", "--greedy"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("12 and"));
  // The run's own validation texts show what its experts do.
  const std::string run = (folder.path() / "run").string();
  result = Moiety({"report", run, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json page = json::parse(result.out);
  EXPECT_EQ(page["experts"]["texts"][0]["name"], "text");
  EXPECT_TRUE(page.contains("training"));
  fs::remove_all(folder.path() / "run" / "data");
  EXPECT_FALSE(json::parse(Moiety({"report", run, "--json"}).out).contains("experts"));
}

TEST(Train, SaysWhatItWouldTake) {
  const ScratchFolder folder;
  folder.Write("text.txt", Text());
  std::vector<std::string> arguments = With(SmallRun(folder, "run"), {"--dry-run"});
  const auto out = std::find(arguments.begin(), arguments.end(), "--out");
  arguments.erase(out, out + 2);  // it writes nothing
  ProcessResult result = Moiety(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("s per step of 128 tokens"));
  EXPECT_THAT(result.out, HasSubstr("parameters"));
  EXPECT_FALSE(fs::exists(folder.path() / "run"));
  arguments.pop_back();
  result = Moiety(arguments);
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("--out"));
}

TEST(Train, MistakesHaveOneSentence) {
  const ScratchFolder folder;
  folder.Write("text.txt", Text());
  ProcessResult result = Moiety(With(SmallRun(folder, "run"), {"--set", "model.d_modl=3"}));
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("did you mean \"model.d_model\"?"));
  result = Moiety({"train", "--preset", "tiny", "--out", (folder.path() / "run").string()});
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("--data"));
  result = Moiety(With(SmallRun(folder, "run"), {"--router", "nonsense"}));
  ExpectError(result, 1);
  result = Moiety({"train", "--out", (folder.path() / "none").string(), "--resume"});
  ExpectError(result, 1);
  EXPECT_FALSE(fs::exists(folder.path() / "run" / "config.toml"));
}

// Killed whenever it happens to be, and resumed until it is done: the weights of an undisturbed
// run.
TEST(Train, SurvivesBeingKilled) {
  const ScratchFolder folder;
  folder.Write("text.txt", Text());
  const std::vector<std::string> steps = {"--steps", "200"};
  ASSERT_EQ(Moiety(With(SmallRun(folder, "whole"), steps)).exit_code, 0);
  bool resume = false;
  int kills = 0;
  for (int attempt = 0; attempt < 150; ++attempt) {
    std::vector<std::string> arguments =
        resume ? std::vector<std::string>{"train", "--out", (folder.path() / "run").string(),
                                          "--resume"}
               : With(SmallRun(folder, "run"), steps);
    arguments.insert(arguments.begin(), MOIETY_BINARY);
    std::vector<char*> pointers = Pointers(arguments);
    const pid_t child = fork();
    if (child == 0) {
      freopen("/dev/null", "w", stdout);
      freopen("/dev/null", "w", stderr);
      execv(pointers[0], pointers.data());
      _exit(127);
    }
    // Later each time, so that the run ends some day on a slow machine too; the first time within
    // what preparing takes on a fast one.
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + 20 * attempt));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    resume = fs::exists(folder.path() / "run" / "config.toml");
    if (WIFEXITED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0) << "attempt " << attempt;
      break;
    }
    ++kills;
  }
  EXPECT_GT(kills, 0);
  EXPECT_EQ(folder.Read("run/model/model.safetensors"),
            folder.Read("whole/model/model.safetensors"));
}

TEST(Train, ATerminationSavesAndEnds) {
  const ScratchFolder folder;
  folder.Write("text.txt", Text());
  std::vector<std::string> arguments =
      With(SmallRun(folder, "run"), {"--steps", "1000000", "--set", "loop.save_every=0"});
  arguments.insert(arguments.begin(), MOIETY_BINARY);
  std::vector<char*> pointers = Pointers(arguments);
  const pid_t child = fork();
  if (child == 0) {
    freopen("/dev/null", "w", stdout);
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  for (int i = 0; i < 600 && !fs::exists(folder.path() / "run" / "log.jsonl"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  kill(child, SIGTERM);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(fs::exists(folder.path() / "run" / "checkpoints"));
  EXPECT_TRUE(fs::exists(folder.path() / "run" / "model" / "config.json"));
}

}  // namespace
}  // namespace moiety
