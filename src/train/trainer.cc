#include "train/trainer.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "format/replacing_file.h"
#include "ops/observer.h"
#include "routing/router.h"
#include "routing/strategies/hash.h"
#include "train/architecture.h"
#include "train/checkpoint.h"
#include "train/export.h"
#include "train/loss_free_balance.h"
#include "train/metrics_log.h"
#include "train/sample_order.h"
#include "train/training_data.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int64_t kDryRunSteps = 3;
constexpr int64_t kTokensAtOnce = 1 << 16;

// Sums up what the routers of a step do.
class RouterWatch : public Observer {
 public:
  explicit RouterWatch(LossFreeBalance& balance) : balance_(balance) {}
  void OnRoute(int64_t layer, const RouterOutput& routed) override {
    layers_[layer].Add(routed);
    balance_.Observe(layer, routed);
  }
  std::vector<RouterMetrics> Take() {
    std::vector<RouterMetrics> metrics;
    for (auto& [layer, sums] : layers_) metrics.push_back(std::move(sums));
    layers_.clear();
    return metrics;
  }

 private:
  LossFreeBalance& balance_;
  std::map<int64_t, RouterMetrics> layers_;
};

// Sequences of one length with their targets, and the memory of both.
struct Sequences {
  std::vector<std::vector<int32_t>> tokens;  // one more than the length
  std::vector<TrainingSequence> pairs;

  void Add(const TokenShard& shard, int64_t begin, int64_t length) {
    tokens.emplace_back(static_cast<size_t>(length) + 1);
    shard.Read(begin, tokens.back());
  }
  std::span<const TrainingSequence> Pairs() {
    pairs.clear();
    for (const std::vector<int32_t>& ids : tokens) {
      const std::span<const int32_t> all = ids;
      pairs.push_back({all.first(all.size() - 1), all.subspan(1)});
    }
    return pairs;
  }
};

std::optional<int64_t> IdOf(const Tokenizer& tokenizer, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const auto id = tokenizer.IdOf(name); id.has_value()) return *id;
  }
  return std::nullopt;
}

SpecialIds SpecialIdsOf(const Tokenizer& tokenizer) {
  return {IdOf(tokenizer, {"<s>", "<|begin_of_text|>"}), IdOf(tokenizer, {"</s>", "<|endoftext|>"}),
          IdOf(tokenizer, {"<pad>"})};
}

std::vector<WeightKind> PartsInBf16(const PrecisionConfig& precision) {
  std::vector<WeightKind> kinds;
  if (precision.experts == "bf16") {
    kinds.push_back(WeightKind::kExpert);
    kinds.push_back(WeightKind::kFeedForward);
  }
  if (precision.attention == "bf16") kinds.push_back(WeightKind::kAttention);
  if (precision.head == "bf16") kinds.push_back(WeightKind::kHead);
  if (precision.router == "bf16") kinds.push_back(WeightKind::kRouter);
  return kinds;
}

TrainingStepOptions StepOptions(const TrainConfig& config) {
  TrainingStepOptions options;
  options.micro_batch_sequences = config.loop.micro_batch_sequences;
  options.clip_norm = config.optimizer.clip_norm;
  options.skip_loss_factor = config.optimizer.skip_loss_factor;
  options.router_losses = config.router.losses;
  options.noise.seed = static_cast<uint64_t>(config.loop.seed);
  options.noise.router_jitter = static_cast<float>(config.router.jitter);
  options.noise.expert_dropout = static_cast<float>(config.router.expert_dropout);
  return options;
}

class Run {
 public:
  Run(Context& context, const TrainRequest& request, TrainWatch& watch)
      : context_(context), request_(request), config_(request.config), watch_(watch) {}

  Result<TrainSummary> Go() {
    MOIETY_RETURN_IF_ERROR(CheckTrainConfig(config_));
    MOIETY_RETURN_IF_ERROR(HfConfigOf(config_, 1, {}).status());
    MOIETY_RETURN_IF_ERROR(CheckFolder());
    MOIETY_RETURN_IF_ERROR(Prepare());
    watch_.OnPlan(Plan());
    MOIETY_RETURN_IF_ERROR(request_.dry_run ? DryRun() : Loop());
    summary_.peak_memory_bytes = context_.budget.peak_bytes();
    return std::move(summary_);
  }

 private:
  // Is the folder what the request says it is?
  Status CheckFolder() {
    if (request_.dry_run) return OkStatus();
    std::error_code error;
    const bool there = fs::exists(request_.run / "config.toml", error);
    if (request_.resume && !there) {
      return NotFound(
          Format("{}: there is no run to resume: config.toml is missing", request_.run.string()));
    }
    if (!request_.resume && there) {
      return InvalidArgument(Format("{}: there is a run already: resume it, or name another folder",
                                    request_.run.string()));
    }
    return OkStatus();
  }

  Status Prepare() {
    const fs::path folder = request_.dry_run
                                ? fs::temp_directory_path() / Format("moiety-dry-run-{}", getpid())
                                : request_.run;
    const PreparingProgress progress = [&](const std::string& what, double done) {
      watch_.OnPreparing(what, done);
      return watch_.GoesOn();
    };
    const auto prepare = [&] {
      MOIETY_ASSIGN_OR_RETURN(
          tokenizer_, PrepareTokenizer(config_.data, config_.model.vocab_size, folder / "tokenizer",
                                       progress, tokenizer_folder_));
      MOIETY_ASSIGN_OR_RETURN(
          domains_, PrepareTrainingData(config_.data, *tokenizer_, folder / "data", progress));
      return OkStatus();
    };
    const Status prepared = prepare();
    if (request_.dry_run) {
      std::error_code error;  // mapped tokens outlive their names
      fs::remove_all(folder, error);
    }
    MOIETY_RETURN_IF_ERROR(Status(prepared));

    std::vector<SampleDomain> samples;
    for (const TrainingDomain& domain : domains_) {
      samples.push_back({domain.name, domain.train.num_tokens(), 0});
    }
    MOIETY_RETURN_IF_ERROR(SetMixingWeights(config_.data.weights, samples));
    shares_.clear();
    double weights = 0;
    for (const SampleDomain& domain : samples) weights += domain.weight;
    for (const SampleDomain& domain : samples) shares_.push_back(domain.weight / weights);
    MOIETY_ASSIGN_OR_RETURN(
        order_, SampleOrder::Create(std::move(samples), config_.data.sequence_length, Seed()));

    const int64_t vocab_size =
        config_.model.vocab_size != 0 ? config_.model.vocab_size : tokenizer_->vocab_size();
    if (vocab_size < tokenizer_->vocab_size()) {
      return InvalidArgument(Format("model.vocab_size is {}, but the tokenizer has {} tokens",
                                    vocab_size, tokenizer_->vocab_size()));
    }
    MOIETY_ASSIGN_OR_RETURN(
        nlohmann::json json,
        HfConfigOf(config_, vocab_size, SpecialIdsOf(*tokenizer_), HashTable(vocab_size)));
    MOIETY_ASSIGN_OR_RETURN(
        trained_, NewTrainedModel(context_, std::move(json), "the training config", Seed(),
                                  static_cast<float>(config_.model.init_std)));
    MOIETY_ASSIGN_OR_RETURN(
        optimizer_,
        MakeOptimizer(config_.optimizer, OptimizedTensors(trained_.parameters), context_.budget));
    if (request_.resume) MOIETY_RETURN_IF_ERROR(Restore());
    balance_ = LossFreeBalance(trained_.parameters, config_.router.bias_update_rate);
    MOIETY_ASSIGN_OR_RETURN(
        copies_, Bf16Copies::Of(*trained_.store, PartsInBf16(config_.precision), context_));
    step_ = std::make_unique<TrainingStep>(context_, trained_, *optimizer_, copies_,
                                           StepOptions(config_));
    step_->set_mean_loss(mean_loss_);
    validation_ =
        std::make_unique<GradientPass>(context_, *trained_.model, nullptr, RouterLossOptions{});
    return OkStatus();
  }

  // Of router.table = "balanced", by how often the texts have each token; else empty.
  std::vector<int32_t> HashTable(int64_t vocab_size) const {
    if (config_.router.name != "hash" || config_.router.table != "balanced") return {};
    std::vector<int64_t> counts(static_cast<size_t>(vocab_size));
    std::vector<int32_t> ids;
    for (const TrainingDomain& domain : domains_) {
      for (int64_t begin = 0; begin < domain.train.num_tokens(); begin += kTokensAtOnce) {
        ids.resize(static_cast<size_t>(std::min(kTokensAtOnce, domain.train.num_tokens() - begin)));
        domain.train.Read(begin, ids);
        for (const int32_t id : ids) ++counts[static_cast<size_t>(id)];
      }
    }
    return BalancedHashTable(counts, config_.model.num_experts, config_.model.top_k);
  }

  uint64_t Seed() const { return static_cast<uint64_t>(config_.loop.seed); }

  TrainPlan Plan() const {
    TrainPlan plan;
    plan.architecture = trained_.model->info().architecture;
    plan.parameters = static_cast<int64_t>(trained_.model->info().parameters);
    plan.active_parameters = static_cast<int64_t>(trained_.model->info().active_parameters);
    plan.memory_bytes = context_.budget.used_bytes();
    plan.first_step = taken_ + 1;
    plan.steps = config_.loop.steps;
    plan.tokens_per_step = config_.loop.batch_sequences * config_.data.sequence_length;
    for (size_t i = 0; i < domains_.size(); ++i) {
      plan.domains.push_back({domains_[i].name, domains_[i].train.num_tokens(),
                              domains_[i].valid.num_tokens(), shares_[i]});
    }
    return plan;
  }

  CheckpointContent Content() {
    CheckpointContent content;
    for (const Parameter& p : trained_.parameters.all()) {
      content.weights.push_back({p.name, p.shape, p.values});
    }
    for (const OptimizerState& s : optimizer_->State()) {
      content.optimizer.push_back({s.name, {static_cast<int64_t>(s.values.size())}, s.values});
    }
    return content;
  }

  Status Restore() {
    MOIETY_ASSIGN_OR_RETURN(const std::optional<int64_t> last, LastCheckpoint(request_.run));
    if (!last.has_value()) return OkStatus();  // it died before its first one
    CheckpointContent content = Content();
    MOIETY_RETURN_IF_ERROR(ReadCheckpoint(request_.run, *last, content));
    taken_ = *last;
    mean_loss_ = content.state.value("mean_loss", 0.0);
    summary_.skipped_steps = content.state.value("skipped_steps", int64_t{0});
    return OkStatus();
  }

  Status Save() {
    CheckpointContent content = Content();
    content.state = {{"mean_loss", step_->mean_loss()}, {"skipped_steps", summary_.skipped_steps}};
    MOIETY_RETURN_IF_ERROR(
        WriteCheckpoint(request_.run, taken_, content, config_.loop.keep_checkpoints));
    saved_ = taken_;
    return OkStatus();
  }

  Result<TrainedStep> TakeStep(int64_t number) {
    const Clock::time_point start = Clock::now();
    Sequences sequences;
    for (int64_t i = 0; i < config_.loop.batch_sequences; ++i) {
      const Sample sample = order_->At((number - 1) * config_.loop.batch_sequences + i);
      sequences.Add(domains_[sample.domain].train, sample.begin, config_.data.sequence_length);
    }
    TrainedStep step;
    step.step = number;
    step.learning_rate =
        config_.optimizer.lr * LearningRateFactor(config_.schedule, number, config_.loop.steps);
    RouterWatch routers(balance_);
    MOIETY_ASSIGN_OR_RETURN(step.result,
                            step_->Run(sequences.Pairs(), number, step.learning_rate, &routers));
    step.layers = routers.Take();
    if (step.result.skipped.has_value()) {
      balance_.Skip();
    } else {
      balance_.Update();
    }
    step.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    seconds_.push_back(step.seconds);
    return step;
  }

  // The first tokens of each domain's validation part, window after window.
  Status Validate() {
    Validation& v = summary_.validation;
    v = {.step = taken_, .loss = 0, .domains = {}};
    const int64_t length = config_.data.sequence_length;
    double sum = 0;
    int64_t targets = 0;
    for (const TrainingDomain& domain : domains_) {
      const int64_t wanted = config_.data.validation_tokens;
      const int64_t tokens =
          wanted == 0 ? domain.valid.num_tokens() : std::min(wanted + 1, domain.valid.num_tokens());
      Validation::Domain& found = v.domains[domain.name];
      for (int64_t begin = 0; begin + 1 < tokens;) {
        Sequences sequences;
        for (int64_t i = 0; i < config_.loop.micro_batch_sequences && begin + 1 < tokens; ++i) {
          const int64_t count = std::min(length, tokens - 1 - begin);
          sequences.Add(domain.valid, begin, count);
          begin += count;
        }
        MOIETY_ASSIGN_OR_RETURN(const Losses losses, validation_->Run(sequences.Pairs(), 1, 1));
        found.loss += losses.cross_entropy;
        found.tokens += losses.num_targets;
      }
      sum += found.loss;
      targets += found.tokens;
      if (found.tokens > 0) found.loss /= static_cast<double>(found.tokens);
    }
    if (targets > 0) v.loss = sum / static_cast<double>(targets);
    watch_.OnValidation(v);
    return OkStatus();
  }

  Status Log(MetricsLog& log, const TrainedStep& step) const {
    const StepResult& r = step.result;
    nlohmann::ordered_json row = {
        {"event", "step"},
        {"step", step.step},
        {"loss", r.loss},
        {"lr", step.learning_rate},
        {"gradient_norm", r.gradient_norm},
        {"tokens", r.num_targets},
        {"tokens_per_s", static_cast<double>(r.num_targets) / step.seconds}};
    for (const RouterLossInfo& info : kRouterLosses) {
      if (config_.router.losses.*info.coefficient == 0) continue;
      row[std::string(info.name)] = r.router_losses.*info.value;
    }
    if (r.skipped.has_value()) row["skipped"] = *r.skipped;
    for (size_t i = 0; i < step.layers.size(); ++i) {
      const RouterMetrics& m = step.layers[i];
      row["layers"].push_back({{"layer", i},
                               {"load", m.load},
                               {"cv", m.Cv()},
                               {"max_vio", m.MaxViolation()},
                               {"gate_entropy", m.GateEntropy()},
                               {"expert_entropy", m.ExpertEntropy()},
                               {"dropped", m.dropped}});
    }
    return log.Add(row);
  }

  Status Log(MetricsLog& log, const Validation& validation) const {
    nlohmann::ordered_json row = {
        {"event", "validation"}, {"step", validation.step}, {"loss", validation.loss}};
    for (const auto& [name, domain] : validation.domains) {
      row["domains"][name] = {{"loss", domain.loss}, {"tokens", domain.tokens}};
    }
    return log.Add(row);
  }

  Status Export() {
    summary_.model = request_.run / "model";
    return ExportModel(summary_.model, trained_.config, trained_.parameters, tokenizer_folder_,
                       DType::kF32);
  }

  Status Loop() {
    if (!request_.resume) {
      MOIETY_RETURN_IF_ERROR(ReplaceFile(request_.run / "config.toml", ToToml(config_)));
    }
    MOIETY_ASSIGN_OR_RETURN(MetricsLog log, MetricsLog::Open(request_.run, taken_));
    if (taken_ > 0) MOIETY_RETURN_IF_ERROR(log.Add({{"event", "resume"}, {"step", taken_}}));
    saved_ = taken_;
    const LoopConfig& loop = config_.loop;
    const auto every = [&](int64_t count) { return count > 0 && taken_ % count == 0; };
    bool validated = false;
    while (taken_ < loop.steps && watch_.GoesOn()) {
      MOIETY_ASSIGN_OR_RETURN(const TrainedStep step, TakeStep(taken_ + 1));
      ++taken_;
      summary_.skipped_steps += step.result.skipped.has_value() ? 1 : 0;
      watch_.OnStep(step);
      if (every(loop.log_every) || step.result.skipped.has_value()) {
        MOIETY_RETURN_IF_ERROR(Log(log, step));
      }
      validated = every(loop.validate_every);
      if (validated) {
        MOIETY_RETURN_IF_ERROR(Validate());
        MOIETY_RETURN_IF_ERROR(Log(log, summary_.validation));
      }
      if (every(loop.save_every)) MOIETY_RETURN_IF_ERROR(Save());
    }
    summary_.step = taken_;
    summary_.finished = taken_ >= loop.steps;
    if (saved_ != taken_ || taken_ == 0) MOIETY_RETURN_IF_ERROR(Save());
    if (summary_.finished && !validated) {
      MOIETY_RETURN_IF_ERROR(Validate());
      MOIETY_RETURN_IF_ERROR(Log(log, summary_.validation));
    }
    SetSecondsPerStep();
    return Export();
  }

  Status DryRun() {
    for (int64_t i = 1; i <= kDryRunSteps && watch_.GoesOn(); ++i) {
      MOIETY_RETURN_IF_ERROR(TakeStep(i).status());
    }
    SetSecondsPerStep();
    return OkStatus();
  }

  void SetSecondsPerStep() {
    if (seconds_.empty()) return;
    std::nth_element(seconds_.begin(),
                     seconds_.begin() + static_cast<ptrdiff_t>(seconds_.size() / 2),
                     seconds_.end());
    summary_.seconds_per_step = seconds_[seconds_.size() / 2];
  }

  Context& context_;
  const TrainRequest& request_;
  const TrainConfig& config_;
  TrainWatch& watch_;

  std::unique_ptr<const Tokenizer> tokenizer_;
  fs::path tokenizer_folder_;
  std::vector<TrainingDomain> domains_;
  std::vector<double> shares_;
  std::optional<SampleOrder> order_;
  TrainedModel trained_;
  std::unique_ptr<Optimizer> optimizer_;
  Bf16Copies copies_;
  LossFreeBalance balance_;
  std::unique_ptr<TrainingStep> step_;
  std::unique_ptr<GradientPass> validation_;
  int64_t taken_ = 0;  // steps
  int64_t saved_ = 0;
  double mean_loss_ = 0;
  std::vector<double> seconds_;
  TrainSummary summary_;
};

}  // namespace

Result<TrainSummary> Train(Context& context, const TrainRequest& request, TrainWatch& watch) {
  return Run(context, request, watch).Go();
}

}  // namespace moiety
