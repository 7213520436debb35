#include "train/gradient_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "ops/losses.h"
#include "support/bits.h"
#include "support/golden.h"
#include "support/paths.h"
#include "support/tensor_file.h"
#include "train/trained_model.h"

namespace moiety {
namespace {

using Sequences = std::vector<std::vector<int32_t>>;

// Each position predicts the next id; the last one nothing.
Sequences Targets(Sequences sequences) {
  for (auto& sequence : sequences) {
    sequence.erase(sequence.begin());
    sequence.push_back(kIgnoredTarget);
  }
  return sequences;
}

std::vector<TrainingSequence> Pairs(const Sequences& ids, const Sequences& targets) {
  std::vector<TrainingSequence> pairs;
  for (size_t i = 0; i < ids.size(); ++i) pairs.push_back({ids[i], targets[i]});
  return pairs;
}

int64_t NumTargets(const Sequences& ids) {
  int64_t count = 0;
  for (const auto& sequence : ids) count += static_cast<int64_t>(sequence.size()) - 1;
  return count;
}

// Largest |a - b| over the largest |b|.
double ErrorOverMax(std::span<const float> values, std::span<const float> golden) {
  if (values.size() != golden.size()) return INFINITY;
  double error = 0;
  double max = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double difference = std::abs(static_cast<double>(values[i] - golden[i]));
    if (!(difference <= error)) error = difference;
    max = std::max(max, std::abs(static_cast<double>(golden[i])));
  }
  return max == 0 ? error : error / max;
}

class GradientGolden : public testing::TestWithParam<GoldenCase> {};

TEST_P(GradientGolden, LossAndGradientsAgree) {
  const std::filesystem::path folder = GetParam().folder;
  const nlohmann::json golden = ReadJson(folder / "gradients.json");
  const TensorFile gradients(folder / "gradients.safetensors");
  Context context(2, *AvailableKernels().back(), MemoryBudget::kUnlimited);
  auto trained = OpenTrainedModel(context, folder);
  ASSERT_TRUE(trained.ok()) << trained.status().message();

  RouterLossOptions losses;
  losses.pooled_balance = true;
  losses.balance = golden.value("router_aux_loss_coef", 0.0F);
  GradientPass pass(context, *trained->model, &trained->parameters, losses);
  const Sequences sequences = golden["input_ids"];
  const int64_t num_targets = NumTargets(sequences);
  const Sequences targets = Targets(sequences);
  const auto found = pass.Run(Pairs(sequences, targets), num_targets, 1);
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(found->num_targets, num_targets);
  const double cross_entropy = found->cross_entropy / static_cast<double>(num_targets);
  EXPECT_NEAR(cross_entropy + static_cast<double>(losses.balance) * found->balance,
              golden["loss"].get<double>(), 1e-4);
  if (losses.balance != 0) {
    EXPECT_NEAR(found->balance, golden["aux_loss"].get<double>(), 1e-4);
  }
  EXPECT_EQ(gradients.size(), trained->parameters.all().size());
  for (const Parameter& parameter : trained->parameters.all()) {
    EXPECT_LE(ErrorOverMax(parameter.gradient, gradients.Floats(parameter.name)),
              golden["tolerance"]["max_abs_over_tensor_max"].get<double>())
        << parameter.name;
  }
}

std::vector<GoldenCase> GradientCases() {
  std::vector<GoldenCase> cases;
  for (const GoldenCase& golden : SupportedGoldenCases()) {
    if (std::filesystem::exists(golden.folder / "gradients.json")) cases.push_back(golden);
  }
  return cases;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GradientGolden);
INSTANTIATE_TEST_SUITE_P(Models, GradientGolden, testing::ValuesIn(GradientCases()),
                         [](const auto& test) { return GoldenName(test.param); });

}  // namespace
}  // namespace moiety
