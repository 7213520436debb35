// What all commands share: the flags of the engine, the instruction set, and the bundled model.
#include <gmock/gmock.h>

#include <filesystem>
#include <sstream>

#include "kernels/kernels.h"
#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

std::vector<std::string> RunFlags(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"run", Starter().string(), "-p", "Il était", "-n",
                                        "8",   "--seed",           "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(Memory, IsAHardLimitWithAClearError) {
  // 18.1 MB of weights, all but 3.95 of them in experts; then 131 kB per 64 tokens and some MB of
  // buffers.
  const ProcessResult weights = Moiety(RunFlags({"--memory", "1M", "--json"}));
  ExpectError(weights, 1);
  EXPECT_THAT(weights.err, HasSubstr("memory limit of 1.00 MB"));
  const std::string_view said = "the least that works is ";
  const size_t at = weights.err.find(said);
  ASSERT_NE(at, std::string::npos) << weights.err;
  const size_t begin = at + said.size();
  const std::string least = weights.err.substr(begin, weights.err.find(' ', begin) - begin);
  const ProcessResult works = Moiety(RunFlags({"--memory", least, "--json"}));
  EXPECT_EQ(works.exit_code, 0) << works.err;
  EXPECT_EQ(json::parse(works.out)["tokens"],
            json::parse(Moiety(RunFlags({"--json"})).out)["tokens"]);
  std::string text;
  for (int i = 0; i < 400; ++i) text += "il était ";
  const ProcessResult cache =
      Moiety({"run", Starter().string(), "-p", text, "-n", "1", "--memory", least, "--json"});
  ExpectError(cache, 1);
  EXPECT_THAT(cache.err, HasSubstr("memory limit of"));
  const ProcessResult enough = Moiety(RunFlags({"--memory", "25M", "--json"}));
  EXPECT_EQ(enough.exit_code, 0) << enough.err;
  EXPECT_LE(json::parse(enough.out)["peak_memory_bytes"], 25'000'000);
}

TEST(Memory, RefusesWhatIsNoSize) {
  for (const char* size : {"lots", "-1", "1X", "1e30", "9E"}) {
    const ProcessResult result = Moiety(RunFlags({std::string("--memory=") + size, "--json"}));
    ExpectError(result, 2);
    EXPECT_THAT(result.err, HasSubstr("--memory: expected a size such as 8G or 512M, found"));
  }
}

TEST(CacheTypes, ByTheNamesOfLlamaCpp) {
  const json exact = json::parse(Moiety(RunFlags({"--json"})).out);
  const json same = json::parse(Moiety(RunFlags({"--json", "-ctk", "f32", "-ctv", "f32"})).out);
  EXPECT_EQ(same["tokens"], exact["tokens"]);
  const json rounded = json::parse(Moiety(RunFlags({"--json", "-ctk", "q8_0", "-ctv", "f16"})).out);
  EXPECT_NE(rounded["tokens"], exact["tokens"]) << "the logprobs differ a little";
  EXPECT_LT(rounded["peak_memory_bytes"], exact["peak_memory_bytes"]);
  const json long_names =
      json::parse(Moiety(RunFlags({"--json", "--cache-type-k=q8_0", "--cache-type-v", "f16"})).out);
  EXPECT_EQ(long_names["tokens"], rounded["tokens"]);
  const ProcessResult unknown = Moiety(RunFlags({"-ctk", "q4_0"}));
  ExpectError(unknown, 2);
  EXPECT_THAT(unknown.err, HasSubstr("expected one of f32, f16, q8_0, found \"q4_0\""));
}

TEST(CacheTypes, WhereverAModelRuns) {
  const std::string text = SourcePath("tests/data/eval/text.txt").string();
  const ProcessResult eval =
      Moiety({"eval", Starter().string(), text, "--json", "-ctk", "q8_0", "-ctv", "q8_0"});
  EXPECT_NEAR(json::parse(eval.out)["nll"].get<double>(), 5.1278, 0.01);
  EXPECT_EQ(Moiety({"chat", Starter().string(), "-p", "a", "-n", "2", "-ctk", "f16"}).exit_code, 0);
}

TEST(Weights, MappedOrCopiedGiveTheSame) {
  const json mapped = json::parse(Moiety(RunFlags({"--json"})).out);
  const json copied = json::parse(Moiety(RunFlags({"--json", "--no-mmap"})).out);
  EXPECT_EQ(mapped["tokens"], copied["tokens"]);
}

TEST(Isa, OfTheEnvironmentIsUsed) {
  const json expected = json::parse(Moiety(RunFlags({"--json"})).out)["tokens"];
  for (const KernelTable* table : AvailableKernels()) {
    ProcessOptions options;
    options.environment["MOIETY_ISA"] = table->isa;
    const ProcessResult text = Moiety(RunFlags({}), options);
    EXPECT_EQ(text.exit_code, 0);
    EXPECT_THAT(text.err, HasSubstr(", " + std::string(table->isa) + " kernels"));
    EXPECT_EQ(json::parse(Moiety(RunFlags({"--json"}), options).out)["tokens"], expected)
        << table->isa;
  }
}

TEST(Isa, UnknownOrUnsupportedIsAnErrorThatListsThem) {
  std::string supported;
  for (const KernelTable* table : AvailableKernels()) {
    supported += (supported.empty() ? "" : ", ") + std::string(table->isa);
  }
  // No processor has all of these.
  for (const std::string isa : {"bogus", "avx2", "avx512", "neon"}) {
    if (SelectKernels(isa).ok()) continue;
    ProcessOptions options;
    options.environment["MOIETY_ISA"] = isa;
    const ProcessResult result = Moiety({"inspect", Starter().string()}, options);
    ExpectError(result, 1);
    EXPECT_THAT(result.err, HasSubstr("\"" + isa + "\""));
    EXPECT_THAT(result.err, HasSubstr(supported));
  }
}

// The binary in a tree like the one it was built in, or like an installation, far from this one.
class BundledModel : public testing::Test {
 protected:
  // `bin`: folder of the binary; `models`: where the bundled models are.
  ProcessResult RunIn(const std::string& bin, const std::string& models,
                      const std::string& work = "") {
    fs::create_directories(scratch_.path() / bin);
    fs::copy(MOIETY_BINARY, scratch_.path() / bin / "moiety");
    if (!models.empty()) {
      fs::create_directories((scratch_.path() / models).parent_path());
      fs::create_directory_symlink(SourcePath("models"), scratch_.path() / models);
    }
    return RunProcess({(scratch_.path() / bin / "moiety").string(), "run" + work, "--seed", "1"},
                      {});
  }
  ScratchFolder scratch_;
};

void ExpectShowcase(const ProcessResult& result) {
  EXPECT_EQ(result.exit_code, 0);
  std::vector<std::string> paragraphs;
  std::istringstream lines(result.out);
  std::string line;
  std::string table;
  while (std::getline(lines, line)) {
    if (!table.empty() || line.starts_with("layer")) {
      table += line + "\n";
    } else if (!line.empty()) {
      paragraphs.push_back(line);
    }
  }
  EXPECT_EQ(paragraphs.size(), 6U) << result.out;
  const std::vector<std::string> beginnings = {"It ", "Il ", "C'era ", "Die ", "En ", "def "};
  for (size_t i = 0; i < beginnings.size() && i < paragraphs.size(); ++i) {
    EXPECT_TRUE(paragraphs[i].starts_with(beginnings[i])) << paragraphs[i];
    EXPECT_GT(paragraphs[i].size(), 25U) << paragraphs[i];
  }
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 7)
      << "a heading and six layers: " << table;
  EXPECT_THAT(table, HasSubstr("balance"));
  EXPECT_EQ(result.out.find('\x1b'), std::string::npos) << "no colours in a pipe";
}

TEST_F(BundledModel, BesideTheSources) { ExpectShowcase(RunIn("build/release/bin", "models")); }

TEST_F(BundledModel, OfAnInstallation) { ExpectShowcase(RunIn("bin", "share/moiety/models")); }

TEST_F(BundledModel, IsAnErrorWhereThereIsNone) {
  const ProcessResult result = RunIn("bin", "");
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("the bundled model is not beside this binary: name a model"));
}

}  // namespace
}  // namespace moiety
