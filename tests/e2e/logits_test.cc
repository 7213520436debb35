// moiety logits: the golden cases through the binary, and that nothing but the model and the
// prompts changes a bit of the file.
#include <gmock/gmock.h>

#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::HasSubstr;

constexpr size_t kGreedy = 24;

class LogitsCommand : public testing::TestWithParam<GoldenCase> {
 protected:
  // Writes the file `name` of the scratch folder and returns its bytes.
  std::string Write(const std::string& name, const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"logits",
                                          GetParam().folder.string(),
                                          "--ids",
                                          (GetParam().folder / "golden.json").string(),
                                          "--out",
                                          (scratch_.path() / name).string(),
                                          "--router",
                                          "--greedy",
                                          std::to_string(kGreedy)};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const ProcessResult result = Moiety(arguments);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err, "");
    return scratch_.Read(name);
  }

  ScratchFolder scratch_;
};

// What the file says about prompt number `prompt`.
PromptResult ReadResult(const TensorFile& file, size_t prompt) {
  const std::string name = "p" + std::to_string(prompt) + ".";
  PromptResult result;
  result.logits = file.Floats(name + "logits");
  result.greedy_ids = file.Longs(name + "greedy_ids");
  constexpr int64_t kMoreThanAnyLayer = 256;
  for (int64_t layer = 0; layer < kMoreThanAnyLayer; ++layer) {
    const std::string prefix = name + "router." + std::to_string(layer) + ".";
    if (!file.Has(prefix + "logits")) continue;  // a dense layer
    LayerRouting routing;
    routing.layer = layer;
    routing.num_tokens = file.ShapeOf(prefix + "logits").at(0);
    routing.num_experts = file.ShapeOf(prefix + "logits").at(1);
    routing.top_k = file.ShapeOf(prefix + "experts").at(1);
    routing.logits = file.Floats(prefix + "logits");
    routing.experts = file.Ints(prefix + "experts");
    routing.weights = file.Floats(prefix + "weights");
    result.routing.push_back(std::move(routing));
  }
  return result;
}

TEST_P(LogitsCommand, AgreesWithTheGolden) {
  if (!IsSupported(GetParam().architecture)) {
    GTEST_SKIP() << "architecture " << GetParam().architecture << " is not supported yet";
  }
  Write("out.safetensors", {});
  const TensorFile golden(GetParam().folder / "golden.safetensors");
  const TensorFile file(scratch_.path() / "out.safetensors");
  const size_t num_prompts = GoldenPrompts(GetParam()).size();
  size_t num_tensors = 0;
  for (size_t i = 0; i < num_prompts; ++i) {
    const PromptResult result = ReadResult(file, i);
    ExpectGolden(golden, i, result);
    num_tensors += 2 + 3 * result.routing.size();
  }
  EXPECT_EQ(file.size(), num_tensors);
}

class LogitsBits : public LogitsCommand {};

TEST_P(LogitsBits, AreTheSameForAnyChunkAndThreads) {
  const std::string expected = Write("expected", {});
  EXPECT_FALSE(expected.empty());
  for (const char* chunk : {"1", "7", "64"}) {
    EXPECT_TRUE(Write("out", {"--chunk", chunk}) == expected) << "--chunk " << chunk;
  }
  for (const char* threads : {"1", "2", "3"}) {
    EXPECT_TRUE(Write("out", {"-t", threads}) == expected) << "-t " << threads;
  }
  EXPECT_TRUE(Write("out", {"--no-mmap", "--chunk", "5", "-t", "2"}) == expected) << "--no-mmap";
}

INSTANTIATE_TEST_SUITE_P(Cases, LogitsCommand, testing::ValuesIn(GoldenCases()),
                         [](const auto& one) { return GoldenName(one.param); });

INSTANTIATE_TEST_SUITE_P(Cases, LogitsBits, testing::ValuesIn(SupportedGoldenCases()),
                         [](const auto& one) { return GoldenName(one.param); });

// The rest uses a case that everyone has.
class LogitsOfTinyModel : public testing::Test {
 protected:
  ProcessResult Logits(const std::string& ids, const std::vector<std::string>& flags = {}) {
    scratch_.Write("ids.json", ids);
    std::vector<std::string> arguments = {
        "logits", SourcePath("tests/data/models/mixtral_tiny").string(),
        "--ids",  (scratch_.path() / "ids.json").string(),
        "--out",  (scratch_.path() / "out").string()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return Moiety(arguments);
  }
  ScratchFolder scratch_;
};

TEST_F(LogitsOfTinyModel, WritesWhatWasAskedFor) {
  EXPECT_EQ(Logits(R"({"prompts": [{"input_ids": [1, 2, 3]}, {"input_ids": [4]}]})").exit_code, 0);
  const TensorFile file(scratch_.path() / "out");
  EXPECT_EQ(file.size(), 2U);
  EXPECT_EQ(file.ShapeOf("p0.logits"), (Shape{3, 256}));
  EXPECT_EQ(file.ShapeOf("p1.logits"), (Shape{1, 256}));
}

TEST_F(LogitsOfTinyModel, RefusesPromptsThatAreNone) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "ids.json"},
      {"{", "ids.json"},
      {"[]", "\"prompts\""},
      {R"({"prompts": 1})", "\"prompts\""},
      {R"({"prompts": [1]})", "prompts[0]"},
      {R"({"prompts": [{"input_ids": []}]})", "at least one id"},
      {R"({"prompts": [{"input_ids": [1]}, {}]})", "prompts[1]"},
      {R"({"prompts": [{"input_ids": [256]}]})", "from 0 to 255, found 256"},
      {R"({"prompts": [{"input_ids": [-1]}]})", "from 0 to 255, found -1"},
      {R"({"prompts": [{"input_ids": [1.5]}]})", "found 1.5"},
  };
  for (const auto& [ids, message] : cases) {
    const ProcessResult result = Logits(ids);
    ExpectError(result, 1);
    EXPECT_THAT(result.err, HasSubstr(message)) << ids;
  }
  EXPECT_EQ(scratch_.List(), std::vector<std::string>{"ids.json"});
}

TEST_F(LogitsOfTinyModel, RefusesMoreThanTheContext) {
  nlohmann::json ids = {{"prompts", {{{"input_ids", std::vector<int>(257, 1)}}}}};
  const ProcessResult result = Logits(ids.dump());
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("257 tokens do not fit the model's context of 256"));
}

TEST_F(LogitsOfTinyModel, RefusesAFileItCannotWrite) {
  const ProcessResult result =
      Moiety({"logits", SourcePath("tests/data/models/mixtral_tiny").string(), "--ids",
              scratch_.Write("ids.json", R"({"prompts": []})").string(), "--out",
              (scratch_.path() / "no/such/folder").string()});
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("no/such/folder"));
}

}  // namespace
}  // namespace moiety
