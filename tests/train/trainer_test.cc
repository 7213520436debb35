#include "train/trainer.h"

#include <gmock/gmock.h>

#include <fstream>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "moiety/moiety.h"
#include "routing/router.h"
#include "support/scratch_folder.h"
#include "train/presets.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Ends a run after some steps.
class StopAfter : public TrainWatch {
 public:
  explicit StopAfter(int64_t steps) : steps_(steps) {}
  void OnPlan(const TrainPlan& of_run) override { plan = of_run; }
  void OnStep(const TrainedStep& step) override {
    losses.push_back(step.result.loss);
    --steps_;
  }
  bool GoesOn() override { return steps_ > 0; }
  TrainPlan plan;
  std::vector<double> losses;

 private:
  int64_t steps_;
};

std::string Text() {
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    text += std::to_string(i * 7919 % 1000) + (i % 5 == 0 ? ".\n" : " and ");
  }
  return text;
}

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() {
    config_.model.d_model = 32;
    config_.model.num_layers = 2;
    config_.model.num_heads = 2;
    config_.model.num_kv_heads = 1;
    config_.model.d_expert = 32;
    config_.model.num_experts = 4;
    config_.model.vocab_size = 300;
    config_.model.context_length = 64;
    config_.data.sequence_length = 32;
    config_.data.validation_tokens = 200;
    config_.loop.steps = 9;
    config_.loop.batch_sequences = 6;
    config_.loop.micro_batch_sequences = 2;
    config_.loop.validate_every = 4;
    config_.loop.save_every = 3;
    config_.schedule.warmup_steps = 2;
    config_.data.paths = {scratch_.Write("text.txt", Text()).string()};
  }

  fs::path Folder(const std::string& name) const { return scratch_.path() / name; }

  Result<TrainSummary> Run(const std::string& name, TrainWatch& watch, bool resume = false,
                           int threads = 2) const {
    Context context(threads, *AvailableKernels().back(), MemoryBudget::kUnlimited);
    return Train(context, {config_, Folder(name), resume, false}, watch);
  }
  TrainSummary Finish(const std::string& name, bool resume = false, int threads = 2) const {
    TrainWatch watch;
    const auto summary = Run(name, watch, resume, threads);
    EXPECT_TRUE(summary.ok()) << summary.status().message();
    return summary.ok() ? *summary : TrainSummary();
  }
  std::string File(const std::string& path) const { return scratch_.Read(path); }

  ScratchFolder scratch_;
  TrainConfig config_;
};

TEST_F(TrainerTest, LearnsAndLeavesAModel) {
  config_.loop.steps = 40;
  config_.optimizer.lr = 1e-2;
  StopAfter watch(1000);
  const auto summary = Run("run", watch);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_TRUE(summary->finished);
  EXPECT_EQ(watch.plan.architecture, "mixtral");
  EXPECT_EQ(watch.plan.tokens_per_step, 6 * 32);
  ASSERT_EQ(watch.losses.size(), 40U);
  EXPECT_NEAR(watch.losses.front(), std::log(300), 0.3) << "nothing is known yet";
  EXPECT_LT(watch.losses.back(), 3.5);
  EXPECT_LT(summary->validation.loss, 3.5);
  EXPECT_EQ(summary->validation.domains.at("text").tokens, 200);
  auto model = LanguageModel::Load(Folder("run/model"));
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->info().architecture, "mixtral");
  EXPECT_FALSE(model->Encode("12 and 7")->empty());
  EXPECT_THAT(File("run/config.toml"), HasSubstr("num_experts = 4"));
}

TEST_F(TrainerTest, SameBitsForAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3}) Finish(std::to_string(threads), false, threads);
  EXPECT_EQ(File("1/model/model.safetensors"), File("2/model/model.safetensors"));
  EXPECT_EQ(File("1/model/model.safetensors"), File("3/model/model.safetensors"));
  EXPECT_EQ(File("1/checkpoints/step-9/optimizer.safetensors"),
            File("3/checkpoints/step-9/optimizer.safetensors"));
}

TEST_F(TrainerTest, ResumesToTheSameBits) {
  Finish("whole");
  for (const int64_t steps : {1, 4, 6}) {
    const std::string name = std::to_string(steps);
    StopAfter first(steps);
    const auto stopped = Run(name, first);
    ASSERT_TRUE(stopped.ok()) << stopped.status().message();
    EXPECT_FALSE(stopped->finished);
    EXPECT_EQ(stopped->step, steps);
    EXPECT_TRUE(Finish(name, true).finished);
    EXPECT_EQ(File(name + "/model/model.safetensors"), File("whole/model/model.safetensors"));
    EXPECT_THAT(File(name + "/log.jsonl"),
                HasSubstr("{\"event\":\"resume\",\"step\":" + name + "}"));
  }
}

// As after kill -9: steps behind the last checkpoint are taken once more.
TEST_F(TrainerTest, StepsBehindTheCheckpointAreTakenAgain) {
  Finish("whole");
  StopAfter watch(5);
  ASSERT_TRUE(Run("killed", watch).ok());
  fs::remove_all(Folder("killed/checkpoints/step-5"));
  EXPECT_TRUE(Finish("killed", true).finished);
  EXPECT_EQ(File("killed/model/model.safetensors"), File("whole/model/model.safetensors"));
  std::ifstream log(Folder("killed/log.jsonl"));
  std::vector<int64_t> steps;
  for (std::string line; std::getline(log, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row["event"] == "step") steps.push_back(row["step"]);
  }
  EXPECT_THAT(steps, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(TrainerTest, MicroBatchesMakeTheSameBatch) {
  StopAfter parts(1);
  StopAfter whole(1);
  ASSERT_TRUE(Run("parts", parts).ok());
  config_.loop.micro_batch_sequences = 6;
  ASSERT_TRUE(Run("whole", whole).ok());
  EXPECT_NEAR(parts.losses[0], whole.losses[0], 1e-5);
}

TEST_F(TrainerTest, ADryRunLeavesNothing) {
  Context context(1, *AvailableKernels().back(), MemoryBudget::kUnlimited);
  TrainWatch watch;
  const auto summary = Train(context, {config_, Folder("dry"), false, true}, watch);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_GT(summary->seconds_per_step, 0);
  EXPECT_FALSE(fs::exists(Folder("dry")));
}

TEST_F(TrainerTest, RefusesTheWrongFolder) {
  TrainWatch watch;
  EXPECT_EQ(Run("none", watch, true).status().code(), StatusCode::kNotFound);
  Finish("run");
  EXPECT_EQ(Run("run", watch).status().code(), StatusCode::kInvalidArgument);
  config_.data.paths = {Folder("nothing").string()};
  EXPECT_EQ(Run("other", watch).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(fs::exists(Folder("other")));
}

// Each strategy: the same bits for any threads and after a resume, and a model that opens.
TEST_F(TrainerTest, EveryRouterTrains) {
  const TrainConfig plain = config_;
  for (const RouterInfo& router : Routers()) {
    SCOPED_TRACE(router.name);
    config_ = plain;
    ASSERT_TRUE(SetRouter(router.name, config_).ok());
    config_.router.allow_noncausal = !router.causal;
    const std::string name(router.name);
    Finish(name + "-1", false, 1);
    StopAfter watch(4);
    ASSERT_TRUE(Run(name + "-3", watch, false, 3).ok());
    Finish(name + "-3", true, 3);
    EXPECT_EQ(File(name + "-1/model/model.safetensors"), File(name + "-3/model/model.safetensors"));
    const auto model = LanguageModel::Load(Folder(name + "-1/model"));
    EXPECT_EQ(model.ok(), !router.needs_whole_sequences) << model.status().message();
  }
}

// Losses of routers that have a coefficient are in the log, the others not.
TEST_F(TrainerTest, LogsTheLossesItIsAskedFor) {
  config_.router.name = "noisy_topk";
  config_.loop.steps = 1;
  for (const RouterLossInfo& info : kRouterLosses) config_.router.losses.*info.coefficient = 0.01;
  config_.router.losses.balance = 0;
  Finish("run");
  std::ifstream log(Folder("run/log.jsonl"));
  std::string line;
  std::getline(log, line);
  const auto row = nlohmann::json::parse(line);
  for (const RouterLossInfo& info : kRouterLosses) {
    EXPECT_EQ(row.contains(info.name), info.name != "balance_loss") << info.name;
    EXPECT_NE(row.value(info.name, 1.0), 0.0) << info.name;
  }
}

// Jitter, dropout and choices that are drawn: for any threads and after a resume the same.
TEST_F(TrainerTest, NoiseIsAFunctionOfTheSeed) {
  ASSERT_TRUE(SetRouter("hard", config_).ok());
  config_.router.estimator = "reinforce";
  config_.loop.steps = 5;
  Finish("drawn");
  config_.router.jitter = 0.1;
  config_.router.expert_dropout = 0.2;
  Finish("noisy", false, 1);
  StopAfter watch(2);
  ASSERT_TRUE(Run("resumed", watch, false, 3).ok());
  Finish("resumed", true, 3);
  const std::string weights = File("noisy/model/model.safetensors");
  EXPECT_EQ(File("resumed/model/model.safetensors"), weights);
  EXPECT_NE(File("drawn/model/model.safetensors"), weights);
}

TEST_F(TrainerTest, RefusesWhatNothingWouldRead) {
  TrainWatch watch;
  config_.router.name = "nonsense";
  EXPECT_EQ(Run("run", watch).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(Folder("run")));
}

TEST_F(TrainerTest, RunsOutOfMemoryWithAnError) {
  Context context(1, *AvailableKernels().back(), 1 << 20);
  TrainWatch watch;
  const auto summary = Train(context, {config_, Folder("run"), false, false}, watch);
  EXPECT_EQ(summary.status().code(), StatusCode::kResourceExhausted) << summary.status().message();
}

}  // namespace
}  // namespace moiety
