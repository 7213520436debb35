// moiety run: continues a text.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/expert_table.h"
#include "cli/route_watch.h"
#include "cli/terminal.h"
#include "runtime/generate.h"

namespace moiety::cli {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

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
  double presence_penalty = 0, frequency_penalty = 0;
  std::vector<std::string> logit_bias;
  std::optional<int64_t> penalty_last_n, max_tokens;
  int64_t seed = -1;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k;
  bool greedy = false, experts = false, json = false, no_special = false;
  int64_t experts_layer = -1;
  EngineFlags engine;
};

// "ID+BIAS" or "ID-BIAS"; the bias may be -inf.
Status ReadLogitBias(const std::vector<std::string>& texts, SamplingOptions& sampling) {
  for (const std::string& text : texts) {
    int32_t id = 0;
    double bias = 0;
    const char* end = text.data() + text.size();
    const auto [sign, id_error] = std::from_chars(text.data(), end, id);
    // from_chars takes a minus but no plus.
    const char* number = sign != end && *sign == '+' ? sign + 1 : sign;
    const bool signed_bias = sign != end && (*sign == '+' || *sign == '-');
    const auto [last, bias_error] = std::from_chars(number, end, bias);
    if (id_error != std::errc() || bias_error != std::errc() || last != end || !signed_bias) {
      return InvalidArgument(
          Format("--logit-bias: expected ID+BIAS or ID-BIAS, found \"{}\"", text));
    }
    sampling.logit_bias[id] = bias;
  }
  return OkStatus();
}

// The line break that editors and echo leave at the end is not part of a prompt.
std::string WithoutLastNewline(std::string text) {
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// The prompts to continue; `showcase` is set when nobody gave one.
Result<std::vector<std::string>> Prompts(const CLI::App& command, const Flags& flags,
                                         bool* showcase) {
  if (command.count("--prompt") > 0) return std::vector<std::string>{flags.prompt};
  if (!flags.file.empty()) {
    MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadText(flags.file));
    return std::vector<std::string>{WithoutLastNewline(text)};
  }
  std::string text;
  if (isatty(STDIN_FILENO) == 0) {
    MOIETY_ASSIGN_OR_RETURN(text, ReadStandardInput());
  }
  if (!text.empty()) return std::vector<std::string>{WithoutLastNewline(text)};
  if (!flags.model.empty() || flags.json) {
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

// What the flags say, over what the model's authors recommend, over moiety's defaults.
Result<SamplingOptions> Sampling(const Flags& flags, const GenerationConfig& config) {
  SamplingOptions s = DefaultSampling(config);
  s.penalty_last_n = flags.penalty_last_n.value_or(s.penalty_last_n);
  s.presence_penalty = flags.presence_penalty;
  s.frequency_penalty = flags.frequency_penalty;
  s.temperature = flags.greedy ? 0 : flags.temperature.value_or(s.temperature);
  s.top_k = flags.top_k.value_or(s.top_k);
  s.top_p = flags.top_p.value_or(s.top_p);
  s.min_p = flags.min_p.value_or(s.min_p);
  s.repetition_penalty = flags.repetition_penalty.value_or(s.repetition_penalty);
  s.seed = flags.seed < 0 ? std::random_device{}() : static_cast<uint64_t>(flags.seed);
  MOIETY_RETURN_IF_ERROR(ReadLogitBias(flags.logit_bias, s));
  return s;
}

// The figures of a run over one or more texts.
struct Totals {
  GenerationResult sum;
  int64_t num_texts = 0;
  double load_seconds = 0;

  void Add(const GenerationResult& r) {
    ++num_texts;
    sum.finish_reason = r.finish_reason;
    sum.num_prompt_tokens += r.num_prompt_tokens;
    sum.num_generated_tokens += r.num_generated_tokens;
    sum.prompt_seconds += r.prompt_seconds;
    sum.generation_seconds += r.generation_seconds;
  }
  double prompt_rate() const { return Rate(sum.num_prompt_tokens, sum.prompt_seconds); }
  // The first token of each text was chosen within its prompt's time.
  double generation_rate() const {
    return Rate(std::max<int64_t>(0, sum.num_generated_tokens - num_texts), sum.generation_seconds);
  }
};

json SummaryJson(const Totals& t) {
  return {{"finish_reason", FinishReasonName(t.sum.finish_reason)},
          {"load_seconds", t.load_seconds},
          {"prompt",
           {{"tokens", t.sum.num_prompt_tokens},
            {"seconds", t.sum.prompt_seconds},
            {"tokens_per_s", t.prompt_rate()}}},
          {"generation",
           {{"tokens", t.sum.num_generated_tokens},
            {"seconds", t.sum.generation_seconds},
            {"tokens_per_s", t.generation_rate()}}}};
}

std::string SummaryText(const Totals& t, Engine& engine, uint64_t seed) {
  const bool full = t.sum.finish_reason == FinishReason::kContextFull;
  return Format(
      "\nprompt      {:>6} tokens  {:>8.1f} tokens/s\n"
      "generation  {:>6} tokens  {:>8.1f} tokens/s\n"
      "load        {:.3f} s, memory {}, {} threads, {} kernels, seed {}{}\n",
      t.sum.num_prompt_tokens, t.prompt_rate(), t.sum.num_generated_tokens, t.generation_rate(),
      t.load_seconds, FormatBytes(engine.context().budget.peak_bytes()),
      engine.context().pool.num_threads(), engine.context().kernels.isa, seed,
      full ? "; the context is full" : "");
}

Status Run(const CLI::App& command, Flags& flags) {
  bool showcase = false;
  MOIETY_ASSIGN_OR_RETURN(const std::vector<std::string> prompts,
                          Prompts(command, flags, &showcase));
  std::filesystem::path path = flags.model;
  if (flags.model.empty()) {
    MOIETY_ASSIGN_OR_RETURN(path, BundledModel());
  }
  Totals totals;
  const Clock::time_point start = Clock::now();
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(path, flags.engine));
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine->tokenizer());
  totals.load_seconds = std::chrono::duration<double>(Clock::now() - start).count();

  GenerationOptions& options = flags.generation;
  MOIETY_ASSIGN_OR_RETURN(options.sampling, Sampling(flags, engine->generation_config()));
  const bool experts = flags.experts || showcase;
  const int64_t recommended = engine->generation_config().max_new_tokens.value_or(kDefaultTokens);
  options.max_tokens = flags.max_tokens.value_or(showcase ? kShowcaseTokens : recommended);
  if (showcase) {
    options.stop.emplace_back("\n");  // a line each
  }
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<RouteWatch> watch,
                          RouteWatch::Create(*engine, experts, flags.trace, flags.experts_layer));
  const bool colours = experts && !flags.json && ShowsColours(stdout);

  // Ctrl-C ends the text, not the program: the figures still follow. A second one ends it.
  std::signal(SIGINT, [](int) {
    interrupted = 1;
    std::signal(SIGINT, SIG_DFL);
  });
  json tokens = json::array();
  std::string text;
  Status write_status;
  const OnToken on_token = [&](const TokenEvent& event) {
    if (flags.json) {
      text += event.text;
      tokens.push_back(EventJson(event, *tokenizer));
    } else {
      write_status = Print(colours ? InExpertColour(event.text, watch->strongest()) : event.text);
    }
    return write_status.ok() && interrupted == 0;
  };
  for (const std::string& prompt : prompts) {
    if (interrupted != 0) break;
    if (!IsUtf8(prompt)) {
      std::fputs("moiety: the prompt is not UTF-8: other bytes are read as U+FFFD\n", stderr);
    }
    if (!flags.json) MOIETY_RETURN_IF_ERROR(Print(prompt));
    Sequence sequence(engine->pages());
    MOIETY_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                            tokenizer->Encode(prompt, !flags.no_special));
    MOIETY_ASSIGN_OR_RETURN(const GenerationResult result,
                            Generate(*engine, sequence, ids, options, on_token, watch->observer()));
    MOIETY_RETURN_IF_ERROR(Status(write_status));
    totals.Add(result);
    if (!flags.json) MOIETY_RETURN_IF_ERROR(Print(showcase ? "\n\n" : "\n"));
  }
  MOIETY_RETURN_IF_ERROR(watch->Close());

  if (flags.json) {
    json document = SummaryJson(totals);
    document["model"] = path.string();
    document["seed"] = options.sampling.seed;
    document["text"] = text;
    document["tokens"] = std::move(tokens);
    document["peak_memory_bytes"] = engine->context().budget.peak_bytes();
    if (experts) document["experts"] = ExpertJson(watch->stats());
    return Print(JsonText(document));
  }
  if (experts) MOIETY_RETURN_IF_ERROR(Print("\n" + ExpertTable(watch->stats(), colours)));
  std::fputs(SummaryText(totals, *engine, options.sampling.seed).c_str(), stderr);
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
  command->add_option("MODEL", f.model, "Hugging Face folder (default: the bundled model)")
      ->type_name("");
  CLI::Option* prompt =
      command->add_option("-p,--prompt", f.prompt, "Text to continue (default: standard input)");
  command->add_option("-f,--file", f.file, "File with the text to continue")->excludes(prompt);
  command
      ->add_option(
          "-n,--predict,--max-tokens", f.max_tokens,
          "Tokens to generate, -1: until the text ends or the context is full (default: 256 *)")
      ->check(AtLeast(-1));
  command
      ->add_option("--temp,--temperature", f.temperature, "Temperature, 0: greedy (default: 0.8 *)")
      ->check(CLI::Range(0.0, kMaxTemperature).description(""));
  command->add_flag("--greedy", f.greedy, "Always the most likely token, as --temp 0");
  command
      ->add_option("--top-k", f.top_k,
                   "Choose among the k most likely tokens, 0: all (default: 40 *)")
      ->check(AtLeast(0));
  command
      ->add_option(
          "--top-p", f.top_p,
          "Choose among the most likely tokens of this total probability, 1: all (default: 0.95 *)")
      ->check(CLI::Range(0.0, 1.0).description(""));
  command
      ->add_option("--min-p", f.min_p,
                   "Drop tokens less likely than this share of the best, 0: none (default: 0.05 *)")
      ->check(CLI::Range(0.0, 1.0).description(""));
  command
      ->add_option("--repeat-penalty,--repetition-penalty", f.repetition_penalty,
                   "Divide the logits of tokens that occurred, 1: off (default: 1 *)")
      ->check(CLI::Range(kMinRepetitionPenalty, kMaxRepetitionPenalty).description(""));
  command->add_option("--presence-penalty", f.presence_penalty,
                      "Subtract from the logits of tokens that occurred");
  command->add_option("--frequency-penalty", f.frequency_penalty,
                      "Subtract per occurrence of a token");
  command
      ->add_option("--repeat-last-n", f.penalty_last_n,
                   "Tokens that penalties look back at, -1: all (default: 64, or all with a "
                   "recommended penalty)")
      ->check(AtLeast(-1));
  command
      ->add_option("--logit-bias", f.logit_bias,
                   "ID+BIAS or ID-BIAS: change a token's logit; repeatable")
      ->allow_extra_args(false);
  command->add_option("-s,--seed", f.seed, "Seed of the draws, -1: a random one (default: -1)")
      ->check(AtLeast(-1));
  command
      ->add_option("--stop,-r,--reverse-prompt", f.generation.stop,
                   "End the text before this string; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--ignore-eos", f.generation.ignore_eos,
                    "Go on after the model's end-of-text token");
  command->add_flag("--no-special", f.no_special,
                    "Do not add special tokens (such as <s>) to the prompt");
  CLI::Option* logprobs = command
                              ->add_option("--logprobs", f.generation.top_logprobs,
                                           "With --json: list this many alternatives per token")
                              ->check(AtLeast(0));
  CLI::Option* experts = command->add_flag(
      "--experts", f.experts,
      "Colour each token by the expert with the largest weight in choosing it, and "
      "end with a table of "
      "expert shares");
  command
      ->add_option("--experts-layer", f.experts_layer,
                   "With --experts: layer that gives the colour (default: the last)")
      ->check(AtLeast(0))
      ->needs(experts);
  command->add_option("--trace", f.trace, "Write every routing decision to this file (JSON lines)");
  logprobs->needs(command->add_flag("--json", f.json, "Print one JSON object instead of text"));
  AddEngineFlags(*command, f.engine);
  command->footer(command->get_footer() + "\n* or what the model's generation_config.json says");
  return [command, flags] { return Run(*command, *flags); };
}

}  // namespace moiety::cli
