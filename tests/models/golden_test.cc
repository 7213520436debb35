// Whole models against the published implementation, through the library's public interface.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "moiety/moiety.h"
#include "support/golden.h"
#include "support/paths.h"

namespace moiety {
namespace {

using Ids = std::vector<int32_t>;

class Golden : public testing::TestWithParam<GoldenCase> {};

// The greedy continuation by induction: fed the golden's ids, the best token after each must be the
// golden's next. Ties go to the lower id.
std::vector<int64_t> GreedyIds(LanguageModel& model, Ids ids, const std::vector<int64_t>& golden) {
  const size_t first = ids.size() - 1;
  ids.insert(ids.end(), golden.begin(), golden.end());
  const auto logits = model.Logits(ids);
  std::vector<int64_t> best;
  if (!logits.ok()) {
    ADD_FAILURE() << logits.status().message();
    return best;
  }
  const auto vocab_size = static_cast<ptrdiff_t>(model.info().vocab_size);
  for (size_t i = 0; i < golden.size(); ++i) {
    const auto row = logits->begin() + static_cast<ptrdiff_t>(first + i) * vocab_size;
    best.push_back(std::max_element(row, row + vocab_size) - row);
  }
  return best;
}

TEST_P(Golden, LibraryAgrees) {
  if (!IsSupported(GetParam().architecture)) {
    GTEST_SKIP() << "architecture " << GetParam().architecture << " is not supported yet";
  }
  auto model = LanguageModel::Load(GetParam().folder);
  ASSERT_TRUE(model.ok()) << model.status().message();
  const TensorFile golden(GetParam().folder / "golden.safetensors");
  const auto prompts = GoldenPrompts(GetParam());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Ids ids = prompts[i]["input_ids"];
    PromptResult result;
    auto logits = model->Logits(ids, &result.routing);
    ASSERT_TRUE(logits.ok()) << logits.status().message();
    result.logits = *std::move(logits);
    result.greedy_ids = GreedyIds(*model, ids, prompts[i]["greedy_ids"]);
    ExpectGolden(golden, i, result);
  }
}

// Cases with a tokenizer: from text to text.
class GoldenText : public testing::TestWithParam<GoldenCase> {};

TEST_P(GoldenText, LibraryWritesTheSame) {
  auto model = LanguageModel::Load(GetParam().folder);
  ASSERT_TRUE(model.ok()) << model.status().message();
  for (const auto& prompt : GoldenPrompts(GetParam())) {
    if (!prompt.contains("text")) continue;
    const std::string text = prompt["text"];
    const auto encoded = model->Encode(text);
    ASSERT_TRUE(encoded.ok()) << encoded.status().message();
    EXPECT_EQ(*encoded, prompt["input_ids"].get<Ids>());
    GenerationOptions options;
    options.sampling.temperature = 0;
    options.ignore_eos = true;
    options.max_tokens = static_cast<int64_t>(prompt["greedy_ids"].size());
    Ids ids;
    const auto result = model->Generate(text, options, [&](const TokenEvent& event) {
      ids.push_back(event.id);
      return true;
    });
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_EQ(ids, prompt["greedy_ids"].get<Ids>());
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(GoldenCases()),
                         [](const auto& one) { return GoldenName(one.param); });

INSTANTIATE_TEST_SUITE_P(Cases, GoldenText,
                         testing::ValuesIn(SupportedGoldenCases(/*with_text=*/true)),
                         [](const auto& one) { return GoldenName(one.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenText);

// A case that is missing or skipped would look like one that passes.
TEST(GoldenCases, OwnOnesAreAllSupported) {
  std::set<std::string> architectures;
  size_t count = 0;
  for (const GoldenCase& one : GoldenCases()) {
    if (!one.own) continue;
    ++count;
    architectures.insert(one.architecture);
    EXPECT_TRUE(IsSupported(one.architecture)) << one.name << " is " << one.architecture;
  }
  EXPECT_GE(count, 13U);
  EXPECT_EQ(architectures, (std::set<std::string>{"gemma3_text", "llama", "mixtral", "olmoe",
                                                  "qwen2", "qwen2_moe", "qwen3", "qwen3_moe"}));
}

TEST(GoldenCases, RequiredOnesAreHereAndSupported) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  std::set<std::string> supported;
  for (const GoldenCase& one : GoldenCases()) {
    if (!one.own && IsSupported(one.architecture)) supported.insert(one.name);
  }
  for (const char* name : {"mixtral", "mixtral_swa", "llama_dense", "mistral_dense", "olmoe",
                           "qwen2_moe", "qwen3_moe"}) {
    EXPECT_TRUE(supported.contains(name)) << name;
  }
}

}  // namespace
}  // namespace moiety
