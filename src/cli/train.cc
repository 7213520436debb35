// moiety train: from texts to a model.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/format.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "format/toml.h"
#include "io/mapped_file.h"
#include "train/config.h"
#include "train/presets.h"
#include "train/trainer.h"

namespace moiety::cli {
namespace {

struct TrainFlags {
  std::string preset, config, run, router, memory, isa;
  std::vector<std::string> data, settings;
  std::optional<int64_t> steps, seed, save_every;
  bool allow_noncausal = false, resume = false, dry_run = false, json = false, dense = false;
  int threads = 0;
};

Status Interrupted() { return Cancelled("interrupted before the first step: nothing was trained"); }

// Preset, then file, then flags, then --set: each changes what came before.
Result<TrainConfig> ReadConfig(const TrainFlags& flags) {
  if (flags.run.empty() && (flags.resume || !flags.dry_run)) {
    return InvalidArgument("name the folder of the run with --out");
  }
  TrainConfig config;
  const std::filesystem::path saved = std::filesystem::path(flags.run) / "config.toml";
  if (!flags.preset.empty()) {
    MOIETY_ASSIGN_OR_RETURN(config, Preset(flags.preset));
  }
  const std::filesystem::path file = flags.resume ? saved : std::filesystem::path(flags.config);
  if (!file.empty()) {
    MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxTomlBytes));
    MOIETY_RETURN_IF_ERROR(ReadTrainConfig(text, file.string(), config));
  }
  if (!flags.data.empty()) config.data.paths = flags.data;
  if (!flags.router.empty()) MOIETY_RETURN_IF_ERROR(SetRouter(flags.router, config));
  if (flags.allow_noncausal) config.router.allow_noncausal = true;
  if (flags.steps.has_value()) config.loop.steps = *flags.steps;
  if (flags.seed.has_value()) config.loop.seed = *flags.seed;
  if (flags.save_every.has_value()) config.loop.save_every = *flags.save_every;
  if (flags.dense) config.model.dense = true;
  for (const std::string& setting : flags.settings) {
    MOIETY_RETURN_IF_ERROR(ApplySetting(config, setting));
  }
  if (config.data.paths.empty()) {
    return InvalidArgument("there is nothing to train on: name files or folders with --data");
  }
  return config;
}

bool UsesBf16(const PrecisionConfig& p) {
  return p.experts == "bf16" || p.attention == "bf16" || p.head == "bf16" || p.router == "bf16";
}

double MeanOf(const std::vector<RouterMetrics>& layers, double (RouterMetrics::*metric)() const) {
  double sum = 0;
  for (const RouterMetrics& layer : layers) sum += (layer.*metric)();
  return layers.empty() ? 0 : sum / static_cast<double>(layers.size());
}

// What a person sees of a run: a bar on a terminal, and a line for each validation.
class TrainDisplay : public TrainWatch {
 public:
  explicit TrainDisplay(bool quiet) : quiet_(quiet) {}

  void OnPlan(const TrainPlan& plan) override {
    bar_.reset();
    plan_ = plan;
    if (quiet_) return;
    std::string text = Format(
        "{}: {} parameters, {} active; {} for weights and optimizer\n", plan.architecture,
        FormatCount(static_cast<uint64_t>(plan.parameters)),
        FormatCount(static_cast<uint64_t>(plan.active_parameters)), FormatBytes(plan.memory_bytes));
    for (const TrainPlan::Domain& domain : plan.domains) {
      text += Format("  {:<16} {:>9} tokens to train, {:>8} to validate, {:5.1f} % of samples\n",
                     OneLine(domain.name), FormatCount(static_cast<uint64_t>(domain.train_tokens)),
                     FormatCount(static_cast<uint64_t>(domain.valid_tokens)), 100 * domain.share);
    }
    if (plan.first_step > 1) text += Format("resumed at step {}\n", plan.first_step);
    SetOutput(Print(text));
    bar_.emplace("train", plan.steps - plan.first_step + 1, "steps");
  }

  void OnPreparing(const std::string& what, double done) override {
    if (preparing_ != what) {
      preparing_ = what;
      bar_.emplace(what, 1000, "‰");
    }
    bar_->Update(static_cast<int64_t>(1000 * done));
  }

  void OnStep(const TrainedStep& step) override {
    ++taken_;
    tokens_ += step.result.num_targets;
    seconds_ += step.seconds;
    loss_ = taken_ == 1 ? step.result.loss : 0.9 * loss_ + 0.1 * step.result.loss;
    last_ = step;
    if (step.result.skipped.has_value() && !quiet_) {
      bar_->Clear();
      SetOutput(Print(Format("step {}: skipped: {}\n", step.step, *step.result.skipped)));
    }
    std::string note = Format("loss {:.4f}, {:.0f} tokens/s", loss_, TokensPerSecond());
    if (!step.layers.empty()) {
      note += Format(", load CV {:.2f}", MeanOf(step.layers, &RouterMetrics::Cv));
    }
    if (bar_.has_value()) bar_->Update(taken_, note);
  }

  void OnValidation(const Validation& validation) override {
    if (quiet_) return;
    if (bar_.has_value()) bar_->Clear();
    std::string text = Format("step {:>6}  loss {:.4f}  validation {:.4f}", validation.step, loss_,
                              validation.loss);
    if (validation.domains.size() > 1) {
      for (const auto& [name, domain] : validation.domains) {
        text += Format("  {} {:.4f}", OneLine(name), domain.loss);
      }
    }
    if (!last_.layers.empty()) {
      text += Format("  load CV {:.2f}  MaxVio {:.2f}", MeanOf(last_.layers, &RouterMetrics::Cv),
                     MeanOf(last_.layers, &RouterMetrics::MaxViolation));
    }
    SetOutput(Print(text + Format("  {:.0f} tokens/s\n", TokensPerSecond())));
  }

  bool GoesOn() override { return cli::GoesOn() && output_.ok(); }

  void Clear() { bar_.reset(); }
  const Status& output() const { return output_; }
  const TrainPlan& plan() const { return plan_; }

 private:
  double TokensPerSecond() const { return cli::TokensPerSecond(tokens_, seconds_); }
  void SetOutput(Status status) {
    if (output_.ok()) output_ = std::move(status);
  }

  bool quiet_;
  TrainPlan plan_;
  std::optional<ProgressBar> bar_;
  std::string preparing_;
  TrainedStep last_;
  int64_t taken_ = 0;
  int64_t tokens_ = 0;
  double seconds_ = 0;
  double loss_ = 0;  // of late steps
  Status output_;
};

nlohmann::ordered_json Document(const TrainPlan& plan, const TrainSummary& summary) {
  nlohmann::ordered_json document = {
      {"architecture", plan.architecture},
      {"parameters", plan.parameters},
      {"active_parameters", plan.active_parameters},
      {"weight_and_optimizer_bytes", plan.memory_bytes},
      {"peak_memory_bytes", summary.peak_memory_bytes},
      {"step", summary.step},
      {"steps", plan.steps},
      {"finished", summary.finished},
      {"skipped_steps", summary.skipped_steps},
      {"seconds_per_step", summary.seconds_per_step},
      {"tokens_per_step", plan.tokens_per_step},
      {"tokens_per_s", TokensPerSecond(plan.tokens_per_step, summary.seconds_per_step)}};
  if (!summary.validation.domains.empty()) {
    document["validation"]["loss"] = summary.validation.loss;
    for (const auto& [name, domain] : summary.validation.domains) {
      document["validation"]["domains"][name] = {{"loss", domain.loss}, {"tokens", domain.tokens}};
    }
  }
  if (!summary.model.empty()) document["model"] = summary.model.string();
  return document;
}

Status RunTraining(const TrainFlags& flags) {
  TrainRequest request;
  MOIETY_ASSIGN_OR_RETURN(request.config, ReadConfig(flags));
  request.run = flags.run;
  request.resume = flags.resume;
  request.dry_run = flags.dry_run;
  EngineOptions options;
  options.num_threads = flags.threads;
  options.isa = flags.isa;
  if (!flags.memory.empty()) ParseBytes(flags.memory, &options.memory_limit_bytes);
  if (UsesBf16(request.config.precision)) options.compute = ComputeType::kBF16;
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Context> context, MakeContext(options));

  StopOnInterrupt();
  TrainDisplay display(flags.json);
  Result<TrainSummary> summary = Train(*context, request, display);
  display.Clear();
  if (summary.status().code() == StatusCode::kCancelled) return Interrupted();
  MOIETY_RETURN_IF_ERROR(Status(summary.status()));
  MOIETY_RETURN_IF_ERROR(Status(display.output()));
  if (flags.json) return Print(JsonText(Document(display.plan(), *summary)));
  if (flags.dry_run) {
    return Print(
        Format("{:.3f} s per step of {} tokens, {:.0f} tokens/s; {} steps take {:.1f} minutes; "
               "peak memory "
               "{}\n",
               summary->seconds_per_step, display.plan().tokens_per_step,
               TokensPerSecond(display.plan().tokens_per_step, summary->seconds_per_step),
               display.plan().steps,
               static_cast<double>(display.plan().steps) * summary->seconds_per_step / 60,
               FormatBytes(summary->peak_memory_bytes)));
  }
  if (!summary->finished) {
    return Print(Format("stopped after step {}; go on with: moiety train --out {} --resume\n",
                        summary->step, flags.run));
  }
  return Print(Format("{}: validation loss {:.4f}\n  moiety run {} -p \"…\"\n",
                      summary->model.string(), summary->validation.loss, summary->model.string()));
}

}  // namespace

Action AddTrain(CLI::App& app) {
  CLI::App* command = AddCommand(
      app, "train", "Train a model on texts",
      "  moiety train --preset tiny --data input.txt --out runs/first\n"
      "  moiety train --config runs/first/config.toml --set optimizer.lr=3e-4 --data corpus --out "
      "runs/second\n"
      "  moiety train --out runs/second --resume");
  auto flags = std::make_shared<TrainFlags>();
  TrainFlags& f = *flags;
  std::string presets;
  for (const PresetInfo& preset : Presets()) {
    presets += (presets.empty() ? "" : ", ") + std::string(preset.name);
  }
  command->add_option("--preset", f.preset, "What to begin with: " + presets);
  command->add_option("--config", f.config, "config.toml of a run, or a part of one");
  command->add_option("--data", f.data,
                      "Texts: files or folders of *.txt, *.jsonl, also .gz, .zst");
  command->add_option("-o,--out", f.run, "Folder of the run");
  command->add_option("--steps", f.steps, "Steps to take")->check(AtLeast(1));
  command->add_option("-s,--seed", f.seed, "Of weights, samples and routers")->check(AtLeast(0));
  command->add_option("--router", f.router,
                      "How tokens are sent to experts, with what its paper says of top_k and "
                      "capacity (see moiety routers)");
  command->add_flag("--allow-noncausal", f.allow_noncausal,
                    "Also routers that see later tokens, which no text can be continued with");
  command->add_option("--save-every", f.save_every, "Steps between checkpoints")->check(AtLeast(0));
  command->add_option("--set", f.settings, "Any key of the config: section.key=value");
  command->add_flag("--dense", f.dense,
                    "The dense twin: feed-forward layers of equal active compute for experts");
  command->add_flag("--resume", f.resume, "Go on from the last checkpoint of --out");
  command->add_flag("--dry-run", f.dry_run,
                    "Print parameters, memory and the time of a step; write nothing");
  command->add_option("-t,--threads", f.threads, "Threads (default: all processors)")
      ->check(AtLeast(1));
  command->add_option("--memory", f.memory, "Memory limit, such as 8G")->check(kSizeValidator);
  command->add_option("--isa", f.isa, "Instruction set (default: the fastest)");
  command->add_flag("--json", f.json, "One JSON document instead of text");
  return [flags] { return RunTraining(*flags); };
}

}  // namespace moiety::cli
