// --experts and --trace of moiety run.
#include <gmock/gmock.h>

#include <filesystem>
#include <sstream>

#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<std::string> RunWithRoutes(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"run", Starter().string(), "-p", "Il était une fois", "-n",
                                        "8",   "--greedy"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(Experts, TableFollowsTheTextWithoutColoursInAPipe) {
  const ProcessResult plain = Moiety(RunWithRoutes({}));
  const ProcessResult result = Moiety(RunWithRoutes({"--experts"}));
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_TRUE(result.out.starts_with(plain.out + "\nlayer ")) << result.out;
  EXPECT_EQ(result.out.find('\x1b'), std::string::npos);
  EXPECT_THAT(result.out, HasSubstr("e7"));
}

TEST(Experts, JsonCountsEveryTokenThatWasFed) {
  const json found = json::parse(Moiety(RunWithRoutes({"--experts", "--json"})).out);
  ASSERT_EQ(found["experts"].size(), 4U);
  for (size_t layer = 0; layer < 4; ++layer) {
    const json& one = found["experts"][layer];
    EXPECT_EQ(one["layer"], layer);
    int total = 0;
    double share = 0;
    for (const int n : one["load"]) total += n;
    for (const double s : one["share"]) share += s;
    EXPECT_EQ(total, 2 * (5 + 7)) << "top-2; the last token is not fed";
    EXPECT_NEAR(share, 1, 1e-9);
    EXPECT_EQ(one["load"].size(), 8U);
  }
}

TEST(Experts, DenseModelsHaveNone) {
  const ScratchFolder scratch;
  const std::filesystem::path model = scratch.path() / "model";
  std::filesystem::copy(SourcePath("tests/data/models/qwen2"), model);
  std::filesystem::copy(Starter() / "tokenizer.json", model);
  const ProcessResult result = Moiety({"run", model.string(), "-p", "text", "--experts"});
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("--experts: " + model.string() + " is a dense qwen2 model"));
  const std::string file = (scratch.path() / "trace").string();
  const ProcessResult trace = Moiety({"run", model.string(), "-p", "text", "--trace", file});
  ExpectError(trace, 1);
  EXPECT_THAT(trace.err, HasSubstr("--trace: " + model.string() + " is a dense qwen2 model"));
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(Trace, HasTheChoicesThatTheTableCounts) {
  const ScratchFolder scratch;
  const json found = json::parse(
      Moiety(RunWithRoutes({"--experts", "--json", "--trace", (scratch.path() / "trace").string()}))
          .out);
  std::istringstream lines(scratch.Read("trace"));
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(json::parse(line),
            json::parse(R"({"format": "moiety-trace", "version": 1, "model": "mixtral",
                                               "num_layers": 4, "num_experts": 8, "top_k": 2})"));
  std::vector<std::vector<int>> load(4, std::vector<int>(8));
  std::vector<json> rows;
  while (std::getline(lines, line)) {
    const json entry = json::parse(line);
    if (entry.contains("rows")) {
      for (const json& row : entry["rows"]) rows.push_back(row);
      continue;
    }
    for (const json& token : entry["experts"]) {
      for (const size_t expert : token) ++load[entry["layer"].get<size_t>()][expert];
    }
  }
  for (size_t layer = 0; layer < 4; ++layer)
    EXPECT_EQ(found["experts"][layer]["load"], load[layer]);
  // The prompt, then each generated token but the last.
  ASSERT_EQ(rows.size(), 5U + 7);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i][1], i);
    if (i >= 5) {
      EXPECT_EQ(rows[i][2], found["tokens"][i - 5]["id"]);
    }
  }
}

TEST(Trace, FullDiskIsAnError) {
  const ProcessResult result = Moiety(RunWithRoutes({"--json", "--trace", "/dev/full"}));
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("/dev/full: cannot write the trace: No space left on device"));
}

}  // namespace
}  // namespace moiety
