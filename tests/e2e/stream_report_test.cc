#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"
#include "support/terminal_session.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

class StreamReport : public testing::Test {
 protected:
  StreamReport() {
    ids_ = scratch_.Write("in.json",
                          R"({"prompts": [{"input_ids": [1, 825, 1199, 44, 55, 66, 77, 88]},
                              {"input_ids": [1, 7, 9, 100, 200, 300, 400, 500, 600, 700, 800]}]})");
  }
  // The figures; what was computed goes to the file `name`.
  json Logits(const std::string& model, const std::string& name,
              const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"logits",      model,   "--ids",
                                          ids_.string(), "--out", (scratch_.path() / name).string(),
                                          "--greedy",    "24",    "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProcessResult result = Moiety(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.exit_code == 0 ? json::parse(result.out) : json();
  }

  ScratchFolder scratch_;
  fs::path ids_;
};

TEST_F(StreamReport, LogitsOfQuantizedModelsHaveTheSameBits) {
  for (const char* type : {"Q8_0", "Q4_K_M"}) {
    const std::string model = (scratch_.path() / (std::string(type) + ".gguf")).string();
    const ProcessResult made = Moiety({"quantize", Starter().string(), model, "--type", type});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const json whole = Logits(model, "whole", {});
    EXPECT_EQ(whole["bytes_read"], 0);
    EXPECT_EQ(whole["misses"], 0);
    const auto size = static_cast<double>(fs::file_size(model));
    for (const double share : {0.55, 0.75}) {
      const auto limit = static_cast<int64_t>(share * size) + 1'000'000;
      const json part = Logits(model, "part", {"--memory", std::to_string(limit), "-t", "2"});
      EXPECT_GT(part["bytes_read"], 0) << type << share;
      EXPECT_GT(part["evictions"], 0) << type << share;
      EXPECT_GT(part["hits"], 0);
      EXPECT_LE(part["peak_memory_bytes"], limit);
      EXPECT_TRUE(scratch_.Read("part") == scratch_.Read("whole")) << type << share;
    }
  }
}

TEST_F(StreamReport, RunBatchAndBenchTellWhatTheyRead) {
  const std::string starter = Starter().string();
  const ProcessResult run = Moiety({"run", starter, "-p", "Il", "-n", "4", "--seed", "1",
                                    "--memory", "9M", "--disk-reader", "threads"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.err, HasSubstr("of 32 experts resident"));
  EXPECT_THAT(run.err, HasSubstr("16 threads"));
  const ProcessResult as_json =
      Moiety({"run", starter, "-p", "Il", "-n", "4", "--memory", "9M", "--json"});
  EXPECT_GT(json::parse(as_json.out)["bytes_read"], 0);
  const ProcessResult bench =
      Moiety({"bench", starter, "--memory", "9M", "-p", "8", "-n", "8", "-r", "1", "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  const json document = json::parse(bench.out);
  EXPECT_GT(document["disk_gb_per_s"], 0);
  EXPECT_GT(document["results"][0]["misses"], 0);
  const ProcessResult eval =
      Moiety({"eval", starter, scratch_.Write("a.txt", "Il était une fois").string(), "--memory",
              "9M", "--cache-policy", "slru", "--json"});
  EXPECT_GT(json::parse(eval.out)["bytes_read"], 0);
}

// At a terminal, behind what there is so far.
TEST_F(StreamReport, BarsShowIt) {
  const std::string starter = Starter().string();
  const std::string text = SourcePath("tests/data/eval/text.txt").string();
  for (const bool streams : {true, false}) {
    std::vector<std::string> eval = {MOIETY_BINARY, "eval", starter, text, "--window", "128"};
    if (streams) eval.insert(eval.end(), {"--memory", "9M"});
    TerminalSession session(eval);
    EXPECT_EQ(session.Wait(), 0);
    EXPECT_THAT(session.output(), HasSubstr("left  perplexity "));
    EXPECT_EQ(session.output().find(" of 32 experts resident") != std::string::npos, streams)
        << session.output();
  }
}

TEST_F(StreamReport, RefusesWhatIsNoPolicyOrReader) {
  for (const auto& [flag, value] :
       {std::pair{"--cache-policy", "fifo"}, std::pair{"--disk-reader", "mmap"}}) {
    const ProcessResult result = Moiety({"run", Starter().string(), "-p", "a", flag, value});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr(flag));
  }
}

}  // namespace
}  // namespace moiety
