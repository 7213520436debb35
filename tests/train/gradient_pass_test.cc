#include "train/gradient_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "ops/losses.h"
#include "ops/observer.h"
#include "support/bits.h"
#include "support/golden.h"
#include "support/paths.h"
#include "support/tensor_file.h"
#include "support/tiny_model.h"
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
  losses.balance = golden.value("router_aux_loss_coef", 0.0);
  GradientPass pass(context, *trained->model, &trained->parameters, losses);
  const Sequences sequences = golden["input_ids"];
  const int64_t num_targets = NumTargets(sequences);
  const Sequences targets = Targets(sequences);
  const auto found = pass.Run(Pairs(sequences, targets), num_targets, 1);
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(found->num_targets, num_targets);
  const double cross_entropy = found->cross_entropy / static_cast<double>(num_targets);
  EXPECT_NEAR(cross_entropy + losses.balance * found->router.balance, golden["loss"].get<double>(),
              1e-4);
  if (losses.balance != 0) {
    EXPECT_NEAR(found->router.balance, golden["aux_loss"].get<double>(), 1e-4);
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

class GradientPassTest : public testing::Test {
 protected:
  // A small mixture with random weights; what passes over its sequences need.
  struct Run {
    explicit Run(int threads = 2, uint64_t seed = 1)
        : context(threads, *AvailableKernels().back(), MemoryBudget::kUnlimited),
          trained(*NewTrainedModel(context, TinyMixtralConfig(), "config.json", seed, 0.1F)) {}
    std::vector<float> gradients() {
      return {trained.parameters.gradients().begin(), trained.parameters.gradients().end()};
    }
    Context context;
    TrainedModel trained;
  };

  // Without the similarity, to which inputs of routers are constants.
  static constexpr RouterLossOptions kLossOptions = {
      .balance = 0.5, .z = 0.25, .importance = 0.3, .entropy = 0.2, .mutual_information = 0.4};
  const Sequences ids_ = {{7, 100, 30, 42, 7}, {9, 9}, {200, 1, 30}};
  const Sequences targets_ = Targets(ids_);
  const std::vector<TrainingSequence> pairs_ = Pairs(ids_, targets_);
};

// Without a way back the losses are the same: also those of routers, whose layers are over by then.
TEST_F(GradientPassTest, LossesAreTheSameWithoutGradients) {
  for (const bool pooled : {false, true}) {
    RouterLossOptions options = kLossOptions;
    options.pooled_balance = pooled;
    options.similarity = 0.1;
    Run run;
    GradientPass training(run.context, *run.trained.model, &run.trained.parameters, options);
    GradientPass evaluation(run.context, *run.trained.model, nullptr, options);
    for (int pass = 0; pass < 2; ++pass) {
      const auto trained = training.Run(pairs_, 7, 1);
      const auto evaluated = evaluation.Run(pairs_, 7, 1);
      ASSERT_TRUE(trained.ok() && evaluated.ok());
      EXPECT_EQ(evaluated->cross_entropy, trained->cross_entropy);
      EXPECT_EQ(evaluated->num_targets, 7);
      for (const RouterLossInfo& info : kRouterLosses) {
        EXPECT_EQ(evaluated->router.*info.value, trained->router.*info.value) << info.name;
        EXPECT_EQ(trained->router.*info.value != 0, options.*info.coefficient != 0) << info.name;
      }
      EXPECT_GT(trained->router.balance, 1);
    }
  }
}

TEST_F(GradientPassTest, SameBitsForAnyThreadsAndAgain) {
  const auto gradients = [&](int threads, int passes) {
    Run run(threads);
    RouterLossOptions options = kLossOptions;
    options.similarity = 2;
    GradientPass pass(run.context, *run.trained.model, &run.trained.parameters, options);
    for (int i = 0; i < passes; ++i) {
      std::fill(run.trained.parameters.gradients().begin(),
                run.trained.parameters.gradients().end(), 0.0F);
      EXPECT_TRUE(pass.Run(pairs_, 7, 1).ok());
    }
    return run.gradients();
  };
  const std::vector<float> expected = gradients(1, 1);
  EXPECT_GT(std::count_if(expected.begin(), expected.end(), [](float g) { return g != 0; }), 1000);
  for (const int threads : {2, 3, 5}) EXPECT_TRUE(SameBits(gradients(threads, 1), expected));
  EXPECT_TRUE(SameBits(gradients(2, 3), expected));
}

// Along the gradient all losses together rise by its squared length.
TEST_F(GradientPassTest, GradientsAreTheSlopeOfTheLosses) {
  Run run;
  GradientPass pass(run.context, *run.trained.model, &run.trained.parameters, kLossOptions);
  const auto loss = [&] {
    const auto losses = pass.Run(pairs_, 7, 1);
    EXPECT_TRUE(losses.ok());
    double sum = losses->cross_entropy / 7;
    for (const RouterLossInfo& info : kRouterLosses) {
      sum += kLossOptions.*info.coefficient * losses->router.*info.value;
    }
    return sum;
  };
  loss();
  const std::vector<float> gradient = run.gradients();
  double length = 0;
  for (const float g : gradient) length += static_cast<double>(g) * static_cast<double>(g);
  // A loss near 6 is known to about 1e-6; the third derivative bends by the square of the step.
  constexpr float kStep = 1e-3F;
  const auto move = [&](float step) {
    size_t at = 0;
    for (const Parameter& p : run.trained.parameters.all()) {
      for (float& value : p.values) {
        value += step * gradient[at++] / static_cast<float>(std::sqrt(length));
      }
    }
  };
  move(kStep);
  const double above = loss();
  move(-2 * kStep);
  const double below = loss();
  EXPECT_NEAR((above - below) / (2 * static_cast<double>(kStep)), std::sqrt(length),
              2e-3 * std::sqrt(length));
}

// Passes over parts, each with its share, add up to the pass over all. Only of what is a mean over
// tokens: the balance of a whole is not the mean of that of its parts.
TEST_F(GradientPassTest, PartsAddUp) {
  const RouterLossOptions options = {.z = 0.25, .entropy = 0.5, .similarity = 2};
  Run whole;
  GradientPass all(whole.context, *whole.trained.model, &whole.trained.parameters, options);
  ASSERT_TRUE(all.Run(pairs_, 7, 1).ok());
  Run parts;
  GradientPass part(parts.context, *parts.trained.model, &parts.trained.parameters, options);
  for (const TrainingSequence& sequence : pairs_) {
    ASSERT_TRUE(part.Run({&sequence, 1}, 7, static_cast<float>(sequence.ids.size()) / 10).ok());
  }
  EXPECT_LE(ErrorOverMax(parts.gradients(), whole.gradients()), 1e-5);
}

// So many logits that the head takes them in parts.
TEST_F(GradientPassTest, HeadInParts) {
  nlohmann::json config = TinyLlamaConfig();
  config["vocab_size"] = 1 << 17;  // 128 rows at a time
  Sequences ids(3);
  for (int32_t i = 0; i < 300; ++i) ids[static_cast<size_t>(i / 100)].push_back(i * 431);
  const Sequences targets = Targets(ids);
  const std::vector<TrainingSequence> pairs = Pairs(ids, targets);
  std::vector<std::vector<float>> gradients;
  std::vector<double> sums;
  for (const size_t at_once : {3, 1}) {
    Context context(2, *AvailableKernels().back(), MemoryBudget::kUnlimited);
    auto trained = NewTrainedModel(context, config, "config.json", 1, 0.1F);
    ASSERT_TRUE(trained.ok()) << trained.status().message();
    GradientPass pass(context, *trained->model, &trained->parameters, {});
    double sum = 0;
    for (size_t i = 0; i < 3; i += at_once) {
      const auto losses = pass.Run(std::span(pairs).subspan(i, at_once), 297, 1);
      ASSERT_TRUE(losses.ok());
      sum += losses->cross_entropy;
    }
    sums.push_back(sum);
    gradients.emplace_back(trained->parameters.gradients().begin(),
                           trained->parameters.gradients().end());
  }
  EXPECT_NEAR(sums[0], sums[1], 1e-9);
  EXPECT_LE(ErrorOverMax(gradients[0], gradients[1]), 1e-5);
}

// What the routers of a pass saw and chose, by layer.
class SeenRoutes : public Observer {
 public:
  void OnRoute(int64_t, const RouterOutput& routed) override {
    Layer& layer = layers.emplace_back();
    layer.x.assign(routed.x.data, routed.x.data + routed.x.size());
    layer.scores.assign(routed.scores.data, routed.scores.data + routed.scores.size());
    layer.routed = routed.routed;
  }
  struct Layer {
    std::vector<float> x;
    std::vector<float> scores;
    std::vector<RoutedToken> routed;
  };
  std::vector<Layer> layers;
};

// Williams 1992: with choices e_t that were drawn, d gate = Σ_t A_t · ∇ log p_t(e_t), where A_t is
// what the loss of row t is above the mean of rows with a target, over all targets of the batch.
TEST_F(GradientPassTest, DrawnChoicesAreJudgedByTheLoss) {
  nlohmann::json config = TinyMixtralConfig();
  config["num_experts_per_tok"] = 1;
  config["moiety_router"] = {{"strategy", "hard"}, {"estimator", "reinforce"}};
  Context context(2, *AvailableKernels().back(), MemoryBudget::kUnlimited);
  auto trained = NewTrainedModel(context, config, "config.json", 1, 0.3F);
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  GradientPass pass(context, *trained->model, &trained->parameters, {});
  const TrainingNoise noise = {.seed = 5, .step = 3};
  constexpr int64_t kAllTargets = 20;  // of a batch that this is a part of
  // The loss of each row: that of a pass where it has the only target.
  std::vector<double> losses;
  double mean = 0;
  for (size_t s = 0; s < targets_.size(); ++s) {
    for (size_t t = 0; t < targets_[s].size(); ++t) {
      Sequences one = targets_;
      for (auto& sequence : one) std::fill(sequence.begin(), sequence.end(), kIgnoredTarget);
      one[s][t] = targets_[s][t];
      const auto found = pass.Run(Pairs(ids_, one), 1, 1, noise);
      ASSERT_TRUE(found.ok());
      losses.push_back(found->cross_entropy);
      mean += found->cross_entropy / 7;
    }
  }
  std::fill(trained->parameters.gradients().begin(), trained->parameters.gradients().end(), 0.0F);
  SeenRoutes seen;
  ASSERT_TRUE(pass.Run(pairs_, kAllTargets, 1, noise, &seen).ok());

  ASSERT_EQ(seen.layers.size(), 2U);
  for (size_t l = 0; l < 2; ++l) {
    const SeenRoutes::Layer& layer = seen.layers[l];
    ASSERT_EQ(layer.routed.size(), losses.size());
    const size_t d_model = layer.x.size() / losses.size();
    std::vector<float> expected(3 * d_model);
    for (size_t t = 0; t < losses.size(); ++t) {
      // The last row of each sequence has no target.
      const bool ignored = t == 4 || t == 6 || t == 9;
      const double advantage = ignored ? 0 : (losses[t] - mean) / kAllTargets;
      for (size_t e = 0; e < 3; ++e) {
        const double slope = (static_cast<size_t>(layer.routed[t].expert) == e ? 1.0 : 0.0) -
                             static_cast<double>(layer.scores[t * 3 + e]);
        for (size_t k = 0; k < d_model; ++k) {
          expected[e * d_model + k] +=
              static_cast<float>(advantage * slope * static_cast<double>(layer.x[t * d_model + k]));
        }
      }
    }
    const auto& all = trained->parameters.all();
    const auto gate = std::find_if(all.begin(), all.end(), [&](const Parameter& p) {
      return p.name == "model.layers." + std::to_string(l) + ".block_sparse_moe.gate.weight";
    });
    ASSERT_NE(gate, all.end());
    EXPECT_LE(ErrorOverMax(gate->gradient, expected), 1e-5) << "layer " << l;
  }
}

TEST_F(GradientPassTest, RefusesWhatIsNoSequence) {
  Run run;
  GradientPass pass(run.context, *run.trained.model, &run.trained.parameters, kLossOptions);
  const auto code = [&](const Sequences& ids, const Sequences& targets) {
    return pass.Run(Pairs(ids, targets), 7, 1).status().code();
  };
  EXPECT_EQ(code({}, {}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{1}, {}}, {{1}, {}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{1, kTinyVocab}}, {{1, 1}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{1, 1}}, {{1, kTinyVocab}}), StatusCode::kInvalidArgument);
  EXPECT_TRUE(pass.Run(pairs_, 7, 1).ok()) << "it can be used again";
}

TEST_F(GradientPassTest, NothingToPredictGivesNoGradient) {
  Run run;
  GradientPass pass(run.context, *run.trained.model, &run.trained.parameters, {});
  const Sequences ignored = {std::vector<int32_t>(5, kIgnoredTarget)};
  const auto losses = pass.Run(Pairs({ids_[0]}, ignored), 1, 1);
  ASSERT_TRUE(losses.ok());
  EXPECT_EQ(losses->num_targets, 0);
  EXPECT_EQ(losses->cross_entropy, 0);
  const std::vector<float> gradients = run.gradients();
  EXPECT_TRUE(std::all_of(gradients.begin(), gradients.end(), [](float g) { return g == 0; }));
}

// Whatever it is that memory does not suffice for, it is an error.
TEST_F(GradientPassTest, WithoutMemoryFails) {
  const Sequences ids(8, std::vector<int32_t>(100, 50));
  const Sequences targets = Targets(ids);
  Run unlimited;
  GradientPass enough(unlimited.context, *unlimited.trained.model, &unlimited.trained.parameters,
                      kLossOptions);
  ASSERT_TRUE(enough.Run(Pairs(ids, targets), 1, 1).ok());
  const uint64_t peak = unlimited.context.budget.peak_bytes();
  int failures = 0;
  for (uint64_t part = 1; part <= 20; ++part) {
    Context context(2, *AvailableKernels().back(), peak * part / 20);
    auto trained = NewTrainedModel(context, TinyMixtralConfig(), "config.json", 1, 0.1F);
    if (!trained.ok()) continue;
    GradientPass pass(context, *trained->model, &trained->parameters, kLossOptions);
    const auto losses = pass.Run(Pairs(ids, targets), 1, 1);
    if (losses.ok()) continue;
    ++failures;
    EXPECT_EQ(losses.status().code(), StatusCode::kResourceExhausted);
  }
  EXPECT_GT(failures, 5);
}

}  // namespace
}  // namespace moiety
