#include "study/training_report.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TrainingLog::Step StepWith(int64_t step, double loss) {
  return {.step = step,
          .loss = loss,
          .learning_rate = 0.5,
          .gradient_norm = static_cast<double>(step),
          .tokens = 10,
          .tokens_per_s = static_cast<double>(100 * step),
          .router_losses = {kNaN, 0.75, kNaN, kNaN, kNaN, kNaN, kNaN},
          .skipped = false,
          .skip_reason = {}};
}

// Losses 1, 2, …, count, and a layer of two experts whose loads are (step, 1).
TrainingLog LogOf(int64_t count) {
  TrainingLog log;
  TrainingLog::Layer layer;
  layer.layer = 3;
  layer.num_experts = 2;
  for (int64_t s = 1; s <= count; ++s) {
    log.steps.push_back(StepWith(s, static_cast<double>(s)));
    layer.at.push_back(static_cast<size_t>(s - 1));
    layer.load.push_back(static_cast<float>(s));
    layer.load.push_back(1);
    layer.cv.push_back(static_cast<double>(s));
    layer.max_violation.push_back(0.5);
    layer.gate_entropy.push_back(0.25);
    layer.expert_entropy.push_back(0.125);
    layer.dropped.push_back(2);
  }
  log.layers.push_back(layer);
  return log;
}

TEST(TrainingReport, ShortLogsAreNotThinnedOut) {
  TrainingLog log = LogOf(4);
  log.steps[2].skipped = true;
  log.steps[2].skip_reason = "a spike";
  log.steps[2].loss = 1e9;
  log.resumes = {2};
  log.num_superseded = 7;
  log.num_cut_lines = 1;
  const json report = TrainingReport(log);
  EXPECT_EQ(report["first_step"], 1);
  EXPECT_EQ(report["last_step"], 4);
  EXPECT_EQ(report["num_steps"], 4);
  EXPECT_EQ(report["tokens"], 40);
  EXPECT_EQ(report["tokens_per_s"], 250);
  EXPECT_EQ(report["num_skipped"], 1);
  EXPECT_EQ(report["skipped"], json::parse(R"([{"step": 3, "why": "a spike"}])"));
  EXPECT_EQ(report["resumes"], json({2}));
  EXPECT_EQ(report["num_superseded"], 7);
  EXPECT_EQ(report["num_cut_lines"], 1);
  const json& curves = report["curves"];
  EXPECT_EQ(curves["steps_per_point"], 1);
  EXPECT_EQ(curves["step"], json({1, 2, 3, 4}));
  EXPECT_EQ(curves["loss"], json({1, 2, nullptr, 4})) << "a skipped step does not count";
  EXPECT_EQ(curves["learning_rate"], json({0.5, 0.5, 0.5, 0.5}));
  EXPECT_EQ(curves["gradient_norm"], json({1, 2, 3, 4}));
  EXPECT_EQ(curves["z_loss"], json({0.75, 0.75, 0.75, 0.75}));
  EXPECT_FALSE(curves.contains("balance_loss")) << "nothing was logged";
  EXPECT_EQ(curves["skipped"], json({0, 0, 1, 0}));
  const json& layer = report["layers"][0];
  EXPECT_EQ(layer["layer"], 3);
  EXPECT_EQ(layer["num_experts"], 2);
  EXPECT_EQ(layer["cv"], json({1, 2, 3, 4}));
  EXPECT_EQ(layer["max_violation"][0], 0.5);
  EXPECT_EQ(layer["gate_entropy"][0], 0.25);
  EXPECT_EQ(layer["expert_entropy"][0], 0.125);
  EXPECT_EQ(layer["dropped_share"], json({0.2, 0.2, 0.2, 0.2}));
  EXPECT_EQ(layer["load_share"], json({{0.5, 0.5}, {0.667, 0.333}, {0.75, 0.25}, {0.8, 0.2}}));
}

TEST(TrainingReport, LongLogsAre) {
  const int64_t count = 2 * kMaxCurvePoints + 1;
  const json report = TrainingReport(LogOf(count));
  const json& curves = report["curves"];
  EXPECT_EQ(curves["steps_per_point"], 3);
  ASSERT_EQ(curves["step"].size(), 667U);
  EXPECT_EQ(curves["step"][1], 6);
  EXPECT_EQ(curves["loss"][1], 5);
  EXPECT_EQ(curves["loss_min"][1], 4);
  EXPECT_EQ(curves["loss_max"][1], 6);
  EXPECT_EQ(curves["gradient_norm"][1], 5);
  EXPECT_EQ(curves["gradient_norm_max"][1], 6);
  EXPECT_EQ(curves["step"][666], count);
  for (const char* name : {"loss", "loss_smoothed", "learning_rate", "tokens_per_s", "z_loss"}) {
    EXPECT_EQ(curves[name].size(), 667U) << name;
  }
  const json& layer = report["layers"][0];
  EXPECT_EQ(layer["steps_per_point"], 9);
  EXPECT_EQ(layer["num_steps"], count);
  ASSERT_EQ(layer["step"].size(), 223U);
  EXPECT_EQ(layer["step"][0], 9);
  EXPECT_EQ(layer["step"][222], count);
  EXPECT_EQ(layer["cv"][0], 5);
  // 1 + … + 9 of the one, 9 of the other.
  EXPECT_EQ(layer["load_share"][0], json({0.833, 0.167}));
  EXPECT_EQ(layer["load_share"].size(), 223U);
}

// The window's mean, value after value.
TEST(TrainingReport, SmoothsAroundEachStep) {
  TrainingLog log = LogOf(200);
  for (size_t i = 0; i < 200; ++i) log.steps[i].loss = static_cast<double>((i * 37) % 11);
  log.steps[50].skipped = true;
  log.steps[51].loss = kNaN;
  const json report = TrainingReport(log);
  const int64_t window = report["smoothing_steps"];
  ASSERT_EQ(window, 5);
  for (int64_t i = 0; i < 200; ++i) {
    const int64_t reach = std::min({int64_t{2}, i, 199 - i});
    double sum = 0;
    int64_t number = 0;
    for (int64_t j = i - reach; j <= i + reach; ++j) {
      if (j == 50 || j == 51) continue;
      sum += log.steps[static_cast<size_t>(j)].loss;
      ++number;
    }
    EXPECT_NEAR(report["curves"]["loss_smoothed"][static_cast<size_t>(i)],
                sum / static_cast<double>(number), 1e-5);
  }
  double last = 0;
  for (size_t i = 195; i < 200; ++i) last += log.steps[i].loss / 5;
  EXPECT_NEAR(report["final_loss"], last, 1e-5);
}

TEST(TrainingReport, Validations) {
  TrainingLog log = LogOf(2);
  log.validations = {{1, 3, {{"de", 4}}}, {2, 2.5, {{"de", 3.5}, {"en", 1.5}}}, {3, kNaN, {}}};
  const json report = TrainingReport(log);
  EXPECT_EQ(report["validation"], json::parse(R"({"step": [1, 2, 3], "loss": [3, 2.5, null],
      "domains": {"de": [4, 3.5, null], "en": [null, 1.5, null]}})"));
  EXPECT_EQ(report["best_validation"], json::parse(R"({"step": 2, "loss": 2.5})"));
}

TEST(TrainingReport, AnEmptyLog) {
  const json report = TrainingReport({});
  EXPECT_TRUE(report["first_step"].is_null());
  EXPECT_TRUE(report["tokens_per_s"].is_null());
  EXPECT_TRUE(report["final_loss"].is_null());
  EXPECT_TRUE(report["best_validation"].is_null());
  EXPECT_EQ(report["curves"]["loss"], json::array());
  EXPECT_EQ(report["layers"], json::array());
}

TEST(TrainingReport, ManyExpertsHaveFewerColumns) {
  TrainingLog log = LogOf(100);
  for (int64_t l = 0; l < 64; ++l) {
    TrainingLog::Layer layer = log.layers[0];
    layer.layer = 10 + l;
    layer.num_experts = 128;
    layer.load.assign(100 * 128, 1);
    log.layers.push_back(layer);
  }
  const json report = TrainingReport(log);
  size_t numbers = 0;
  for (const json& layer : report["layers"]) {
    numbers += layer["load_share"].size() * layer["load_share"][0].size();
    EXPECT_EQ(layer["load_share"].size(), layer["step"].size());
  }
  EXPECT_LE(numbers, static_cast<size_t>(kMaxLoadNumbers));
  // However many there are.
  EXPECT_EQ(report["layers"][1]["step"].size(), 20U);
}

TEST(TrainingReport, ListsTheFirstSkippedSteps) {
  TrainingLog log = LogOf(kMaxListedSkips + 5);
  for (TrainingLog::Step& step : log.steps) step.skipped = true;
  const json report = TrainingReport(log);
  EXPECT_EQ(report["num_skipped"], kMaxListedSkips + 5);
  EXPECT_EQ(report["skipped"].size(), static_cast<size_t>(kMaxListedSkips));
  EXPECT_TRUE(report["final_loss"].is_null());
}

}  // namespace
}  // namespace moiety
