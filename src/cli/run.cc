// moiety run: continues a text.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <vector>

#include "base/format.h"
#include "cli/command.h"
#include "cli/expert_table.h"
#include "cli/terminal.h"
#include "io/mapped_file.h"
#include "routing/router.h"
#include "runtime/generate.h"
#include "study/expert_stats.h"
#include "study/trace.h"

namespace moiety::cli {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr uint64_t kMaxPromptBytes = uint64_t{1} << 30;
constexpr int64_t kDefaultTokens = 256;

// Beginnings for `moiety run` without a prompt: one per language of the bundled model.
constexpr std::array kShowcase = {
    "It was a dark night, and",           "Il était une fois, dans un petit village,",
    "C'era una volta una donna che",      "Die alte Frau ging langsam durch",
    "En aquel tiempo vivía en la ciudad", "def count(numbers):",
};
constexpr int64_t kShowcaseTokens = 40;

volatile std::sig_atomic_t interrupted = 0;

struct Flags {
  std::string model, prompt, file, trace;
  GenerationOptions generation;
  std::vector<std::string> logit_bias;
  int64_t seed = -1;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k;
  bool greedy = false, experts = false, json = false, no_special = false;
  int64_t experts_layer = -1;
  EngineFlags engine;
};

// What the observers of a run see, and which expert weighed most in the step before a token.
class RunObserver : public Observer {
 public:
  RunObserver(int64_t layer, std::unique_ptr<TraceWriter> trace)
      : layer_(layer), trace_(std::move(trace)) {}

  void OnStep(const Batch& batch) override {
    if (trace_ != nullptr) trace_->OnStep(batch);
  }
  void OnRoute(int64_t layer, const RouterOutput& routed) override {
    stats_.OnRoute(layer, routed);
    if (trace_ != nullptr) trace_->OnRoute(layer, routed);
    if (layer != layer_) return;
    // The last row is the one that the next token is chosen from.
    const RoutedToken* strongest = nullptr;
    for (const RoutedToken& choice : routed.routed) {
      if (choice.token != routed.num_tokens - 1) continue;
      if (strongest == nullptr || choice.weight > strongest->weight) strongest = &choice;
    }
    strongest_ = strongest == nullptr ? -1 : strongest->expert;
  }
  int64_t strongest() const { return strongest_; }
  const ExpertStats& stats() const { return stats_; }
  Status Close() { return trace_ == nullptr ? OkStatus() : trace_->Close(); }

 private:
  int64_t layer_;
  int64_t strongest_ = -1;
  ExpertStats stats_;
  std::unique_ptr<TraceWriter> trace_;
};

Status ReadLogitBias(const std::vector<std::string>& texts, SamplingOptions& sampling) {
  for (const std::string& text : texts) {
    int32_t id = 0;
    double bias = 0;
    int used = 0;
    if (std::sscanf(text.c_str(), "%d%lf%n", &id, &bias, &used) != 2 ||
        static_cast<size_t>(used) != text.size()) {
      return InvalidArgument(
          Format("--logit-bias: expected ID+BIAS or ID-BIAS, found \"{}\"", text));
    }
    sampling.logit_bias[id] = bias;
  }
  return OkStatus();
}

// The prompts to continue; `showcase` is set when nobody gave one.
Result<std::vector<std::string>> Prompts(const CLI::App& command, const Flags& flags,
                                         bool* showcase) {
  if (command.count("--prompt") > 0) return std::vector<std::string>{flags.prompt};
  if (!flags.file.empty()) {
    MOIETY_ASSIGN_OR_RETURN(std::string text, ReadFile(flags.file, kMaxPromptBytes));
    return std::vector<std::string>{std::move(text)};
  }
  std::string text;
  if (isatty(STDIN_FILENO) == 0) {
    MOIETY_ASSIGN_OR_RETURN(text, ReadStandardInput());
  }
  if (!text.empty()) return std::vector<std::string>{std::move(text)};
  if (!flags.model.empty()) {
    return InvalidArgument("no prompt: give one with -p TEXT, with -f FILE or on standard input");
  }
  *showcase = true;
  return std::vector<std::string>(kShowcase.begin(), kShowcase.end());
}

double Rate(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

json EventJson(const TokenEvent& event, const Tokenizer& tokenizer) {
  json top = json::array();
  for (const TokenLogprob& t : event.top) {
    top.push_back({{"id", t.id}, {"piece", tokenizer.Piece(t.id)}, {"logprob", t.logprob}});
  }
  json token = {{"id", event.id}, {"text", event.text}, {"logprob", event.logprob}};
  if (!top.empty()) token["top_logprobs"] = std::move(top);
  return token;
}

Status Run(const CLI::App& command, Flags& flags) {
  bool showcase = false;
  MOIETY_ASSIGN_OR_RETURN(const std::vector<std::string> prompts,
                          Prompts(command, flags, &showcase));
  std::filesystem::path path = flags.model;
  if (flags.model.empty()) {
    MOIETY_ASSIGN_OR_RETURN(path, BundledModel());
  }
  const Clock::time_point start = Clock::now();
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(path, flags.engine));
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine->tokenizer());
  const double load_seconds = std::chrono::duration<double>(Clock::now() - start).count();

  GenerationOptions& options = flags.generation;
  SamplingOptions sampling = DefaultSampling(engine->generation_config());
  sampling.penalty_last_n = options.sampling.penalty_last_n;
  sampling.presence_penalty = options.sampling.presence_penalty;
  sampling.frequency_penalty = options.sampling.frequency_penalty;
  sampling.temperature = flags.greedy ? 0 : flags.temperature.value_or(sampling.temperature);
  sampling.top_k = flags.top_k.value_or(sampling.top_k);
  sampling.top_p = flags.top_p.value_or(sampling.top_p);
  sampling.min_p = flags.min_p.value_or(sampling.min_p);
  sampling.repetition_penalty = flags.repetition_penalty.value_or(sampling.repetition_penalty);
  sampling.seed = flags.seed < 0 ? std::random_device{}() : static_cast<uint64_t>(flags.seed);
  MOIETY_RETURN_IF_ERROR(ReadLogitBias(flags.logit_bias, sampling));
  options.sampling = sampling;
  if (showcase && command.count("--predict") == 0) options.max_tokens = kShowcaseTokens;
  if (showcase) options.stop.emplace_back("\n");  // a line each

  const ModelInfo& info = engine->model().info();
  const bool experts = (flags.experts || showcase) && info.num_experts > 0;
  if (flags.experts && info.num_experts == 0) {
    return InvalidArgument(
        Format("--experts: {} is a dense {} model", path.string(), info.architecture));
  }
  if (flags.experts_layer >= info.num_layers) {
    return InvalidArgument(Format("--experts-layer must be from 0 to {}, found {}",
                                  info.num_layers - 1, flags.experts_layer));
  }
  std::unique_ptr<TraceWriter> trace;
  if (!flags.trace.empty()) {
    MOIETY_ASSIGN_OR_RETURN(trace, TraceWriter::Create(flags.trace, info));
  }
  const bool observed = experts || trace != nullptr;
  RunObserver observer(flags.experts_layer < 0 ? info.num_layers - 1 : flags.experts_layer,
                       std::move(trace));
  const bool colours = experts && !flags.json && ShowsColours(stdout);

  // Ctrl-C ends the text, not the program: the figures still follow.
  std::signal(SIGINT, [](int) { interrupted = 1; });
  GenerationResult total;
  json document = {{"model", path.string()}, {"seed", sampling.seed}};
  json tokens = json::array();
  std::string text;
  for (const std::string& prompt : prompts) {
    const std::vector<int32_t> ids = tokenizer->Encode(prompt, !flags.no_special);
    Status write_status;
    const OnToken on_token = [&](const TokenEvent& event) {
      if (flags.json) {
        text += event.text;
        tokens.push_back(EventJson(event, *tokenizer));
      } else {
        write_status =
            Print(colours ? InExpertColour(event.text, observer.strongest()) : event.text);
      }
      return write_status.ok() && interrupted == 0;
    };
    if (!flags.json) MOIETY_RETURN_IF_ERROR(Print(prompt));
    Sequence sequence(engine->pages());
    MOIETY_ASSIGN_OR_RETURN(
        const GenerationResult result,
        Generate(*engine, sequence, ids, options, on_token, observed ? &observer : nullptr));
    MOIETY_RETURN_IF_ERROR(std::move(write_status));
    if (!flags.json) MOIETY_RETURN_IF_ERROR(Print(showcase ? "\n\n" : "\n"));
    total.finish_reason = result.finish_reason;
    total.num_prompt_tokens += result.num_prompt_tokens;
    total.num_generated_tokens += result.num_generated_tokens;
    total.prompt_seconds += result.prompt_seconds;
    total.generation_seconds += result.generation_seconds;
    if (interrupted != 0) break;
  }
  MOIETY_RETURN_IF_ERROR(observer.Close());

  // The first token of each text belongs to its prompt's time.
  const int64_t steps =
      std::max<int64_t>(0, total.num_generated_tokens - static_cast<int64_t>(prompts.size()));
  const uint64_t peak = engine->context().budget.peak_bytes();
  if (flags.json) {
    document["text"] = text;
    document["tokens"] = std::move(tokens);
    document["finish_reason"] = FinishReasonName(total.finish_reason);
    document["load_seconds"] = load_seconds;
    document["prompt"] = {{"tokens", total.num_prompt_tokens},
                          {"seconds", total.prompt_seconds},
                          {"tokens_per_s", Rate(total.num_prompt_tokens, total.prompt_seconds)}};
    document["generation"] = {{"tokens", total.num_generated_tokens},
                              {"seconds", total.generation_seconds},
                              {"tokens_per_s", Rate(steps, total.generation_seconds)}};
    document["peak_memory_bytes"] = peak;
    if (experts) document["experts"] = ExpertJson(observer.stats());
    return Print(document.dump(2) + "\n");
  }
  if (experts) MOIETY_RETURN_IF_ERROR(Print("\n" + ExpertTable(observer.stats(), colours)));
  std::fprintf(
      stderr, "%s",
      Format("\nprompt      {:>6} tokens  {:>8.1f} tokens/s\ngeneration  {:>6} tokens  {:>8.1f} "
             "tokens/s\n"
             "load        {:.3f} s, memory {}, {} threads, {} kernels, seed {}{}\n",
             total.num_prompt_tokens, Rate(total.num_prompt_tokens, total.prompt_seconds),
             total.num_generated_tokens, Rate(steps, total.generation_seconds), load_seconds,
             FormatBytes(peak), engine->context().pool.num_threads(), engine->context().kernels.isa,
             sampling.seed,
             total.finish_reason == FinishReason::kContextFull ? "; the context is full" : "")
          .c_str());
  return OkStatus();
}

}  // namespace

Action AddRun(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "run", "Continue a text with a model",
                 "  moiety run                                   the bundled model writes in each "
                 "of its languages\n"
                 "  moiety run -p \"Il était une fois\" --experts  each token in the colour of its "
                 "strongest expert\n"
                 "  moiety run path/to/Mixtral -f prompt.txt -n 200 --temp 0.7 --seed 1\n"
                 "  echo \"Once upon\" | moiety run path/to/model --json");
  auto flags = std::make_shared<Flags>();
  Flags& f = *flags;
  f.generation.max_tokens = kDefaultTokens;
  SamplingOptions& s = f.generation.sampling;
  command->add_option("MODEL", f.model, "Hugging Face folder (default: the bundled model)")
      ->type_name("");
  CLI::Option* prompt =
      command->add_option("-p,--prompt", f.prompt, "Text to continue (default: standard input)");
  command->add_option("-f,--file", f.file, "File with the text to continue")->excludes(prompt);
  command->add_option(
      "-n,--predict,--max-tokens", f.generation.max_tokens,
      "Tokens to generate, -1: until the text ends or the context is full (default: 256)");
  command->add_option("--temp,--temperature", f.temperature,
                      "Temperature, 0: greedy (default: 0.8 *)");
  command->add_flag("--greedy", f.greedy, "Always the most likely token, as --temp 0");
  command->add_option("--top-k", f.top_k,
                      "Choose among the k most likely tokens, 0: all (default: 40 *)");
  command->add_option(
      "--top-p", f.top_p,
      "Choose among the most likely tokens of this total probability, 1: all (default: 0.95 *)");
  command->add_option(
      "--min-p", f.min_p,
      "Drop tokens less likely than this share of the best, 0: none (default: 0.05 *)");
  command->add_option("--repeat-penalty,--repetition-penalty", f.repetition_penalty,
                      "Divide the logits of tokens that occurred, 1: off (default: 1 *)");
  command->add_option("--presence-penalty", s.presence_penalty,
                      "Subtract from the logits of tokens that occurred");
  command->add_option("--frequency-penalty", s.frequency_penalty,
                      "Subtract per occurrence of a token");
  command->add_option("--repeat-last-n", s.penalty_last_n,
                      "Tokens that penalties look back at, -1: all (default: 64)");
  command->add_option("--logit-bias", f.logit_bias,
                      "ID+BIAS or ID-BIAS: change a token's logit; repeatable");
  command->add_option("-s,--seed", f.seed, "Seed of the draws, -1: a random one (default: -1)");
  command->add_option("--stop,-r,--reverse-prompt", f.generation.stop,
                      "End the text before this string; repeatable");
  command->add_flag("--ignore-eos", f.generation.ignore_eos,
                    "Go on after the model's end-of-text token");
  command->add_flag("--no-special", f.no_special,
                    "Do not add special tokens (such as <s>) to the prompt");
  command->add_option("--logprobs", f.generation.top_logprobs,
                      "With --json: list this many alternatives per token");
  command->add_flag("--experts", f.experts,
                    "Colour each token by the expert with the largest weight in choosing it, and "
                    "end with a table of "
                    "expert shares");
  command
      ->add_option("--experts-layer", f.experts_layer,
                   "Layer that gives the colour (default: the last)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--trace", f.trace, "Write every routing decision to this file (JSON lines)");
  command->add_flag("--json", f.json, "Print one JSON object instead of text");
  AddEngineFlags(*command, f.engine);
  command->footer(command->get_footer() + "\n* or what the model's generation_config.json says");
  return [command, flags] { return Run(*command, *flags); };
}

}  // namespace moiety::cli
