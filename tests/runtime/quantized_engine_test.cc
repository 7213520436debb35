// Whole models with weights in blocks, from GGUF files: near what the reference computes from the
// decoded weights, and the same bits however they are run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/format.h"
#include "kernels/kernels.h"
#include "support/bits.h"
#include "support/golden.h"
#include "support/loaded_model.h"
#include "support/paths.h"
#include "support/tensor_file.h"

namespace moiety {
namespace {

std::vector<double> LogSoftmax(const float* logits, int64_t n) {
  const double max = static_cast<double>(*std::max_element(logits, logits + n));
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(logits[i]) - max);
  std::vector<double> result;
  for (int64_t i = 0; i < n; ++i) {
    result.push_back(static_cast<double>(logits[i]) - max - std::log(sum));
  }
  return result;
}

double MeanKl(const std::vector<float>& expected, const std::vector<float>& got, int64_t vocab) {
  double kl = 0;
  const int64_t rows = static_cast<int64_t>(expected.size()) / vocab;
  for (int64_t row = 0; row < rows; ++row) {
    const auto p = LogSoftmax(expected.data() + row * vocab, vocab);
    const auto q = LogSoftmax(got.data() + row * vocab, vocab);
    for (size_t i = 0; i < p.size(); ++i) kl += std::exp(p[i]) * (p[i] - q[i]);
  }
  return kl / static_cast<double>(rows);
}

struct Case {
  std::string name;
  double max_mean_kl;  // over the last positions of its prompts, from rounding activations
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class QuantizedEngine : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!HasShared()) GTEST_SKIP() << kNoShared;
    folder_ = SharedPath("conformance/gguf/" + GetParam().name);
  }
  std::filesystem::path file() const { return folder_ / "model.gguf"; }
  // Of a prompt of 33 tokens.
  std::vector<int32_t> Ids() const {
    return ReadJson(folder_ / "golden.json")["prompts"][2]["input_ids"];
  }

  std::filesystem::path folder_;
};
INSTANTIATE_TEST_SUITE_P(Models, QuantizedEngine,
                         testing::Values(Case{"mixtral_q4_k_m", 0.05},
                                         Case{"qwen3moe_q3_k_m", 0.02}),
                         [](const auto& test) { return test.param.name; });

TEST_P(QuantizedEngine, IsNearTheReference) {
  const auto engine = OpenOrFail(file());
  ASSERT_NE(engine, nullptr);
  const TensorFile golden(folder_ / "golden.safetensors");
  const int64_t vocab = engine->model().info().vocab_size;
  const nlohmann::json prompts = ReadJson(folder_ / "golden.json")["prompts"];
  ASSERT_FALSE(prompts.empty());
  double kl = 0;
  for (size_t p = 0; p < prompts.size(); ++p) {
    const std::vector<int32_t> ids = prompts[p]["input_ids"];
    const auto last = static_cast<int64_t>(ids.size()) - 1;
    const auto got = AllLogits(*engine, ids);
    kl += MeanKl(LogitsAt(*engine, golden.Floats(Format("p{}.logits", p)), last),
                 LogitsAt(*engine, got, last), vocab);
  }
  EXPECT_LT(kl / static_cast<double>(prompts.size()), GetParam().max_mean_kl);
}

TEST_P(QuantizedEngine, HasTheSameBitsOnEveryInstructionSet) {
  std::vector<float> expected;
  for (const KernelTable* table : AvailableKernels()) {
    EngineOptions options;
    options.isa = table->isa;
    const auto engine = OpenOrFail(file(), options);
    ASSERT_NE(engine, nullptr);
    const auto logits = AllLogits(*engine, Ids());
    if (expected.empty()) expected = logits;
    ASSERT_TRUE(SameBits(logits, expected)) << table->isa;
  }
}

TEST_P(QuantizedEngine, HasTheSameBitsForAnyThreadsChunksAndResidency) {
  std::vector<float> expected;
  for (const int threads : {1, 2, 3, 5}) {
    EngineOptions options;
    options.num_threads = threads;
    options.residency = threads == 3   ? Residency::kResident
                        : threads == 2 ? Residency::kMapped
                                       : Residency::kRepacked;
    const auto engine = OpenOrFail(file(), options);
    ASSERT_NE(engine, nullptr);
    for (const int64_t chunk : {1, 7, 512}) {
      Sequence sequence(engine->pages());
      const auto logits = FeedLogits(*engine, sequence, Ids(), chunk);
      if (expected.empty()) expected = logits;
      ASSERT_TRUE(SameBits(logits, expected)) << threads << " threads, chunk " << chunk;
    }
  }
}

}  // namespace
}  // namespace moiety
