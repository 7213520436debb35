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
#include "base/utf8.h"
#include "cli/batch_run.h"
#include "cli/choice_flags.h"
#include "cli/command.h"
#include "cli/expert_table.h"
#include "cli/lookup_flags.h"
#include "cli/route_watch.h"
#include "cli/sampling_flags.h"
#include "cli/stream_report.h"
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
    "En aquel tiempo vivía en la ciudad", "def count(numbers): return sum(",
};
constexpr int64_t kShowcaseTokens = 40;

volatile std::sig_atomic_t run_interrupted = 0;

struct RunFlags {
  std::string model, prompt, file, batch, trace;
  GenerationOptions generation;
  SamplingFlags sampling;
  std::optional<int64_t> max_tokens;
  bool experts = false, json = false, no_special = false;
  int64_t experts_layer = -1;
  int64_t num_samples = 1;
  BatcherOptions batcher;
  ChoiceLimits choices;
  EngineFlags engine;
};

// The line break that editors and echo leave at the end is not part of a prompt.
std::string WithoutLastNewline(std::string text) {
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// The prompts to continue; `showcase` is set when nobody gave one.
Result<std::vector<std::string>> Prompts(const CLI::App& command, const RunFlags& flags,
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

json EventJson(const TokenEvent& event, const Tokenizer& tokenizer) {
  json top = json::array();
  for (const TokenLogprob& t : event.top) {
    top.push_back({{"id", t.id}, {"piece", tokenizer.Piece(t.id)}, {"logprob", t.logprob}});
  }
  json token = {{"id", event.id}, {"text", event.text}, {"logprob", event.logprob}};
  if (!top.empty()) token["top_logprobs"] = std::move(top);
  return token;
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
    sum.num_drafted_tokens += r.num_drafted_tokens;
    sum.num_accepted_tokens += r.num_accepted_tokens;
  }
  double prompt_rate() const { return TokensPerSecond(sum.num_prompt_tokens, sum.prompt_seconds); }
  // The first token of each text was chosen within its prompt's time.
  double generation_rate() const {
    return TokensPerSecond(std::max<int64_t>(0, sum.num_generated_tokens - num_texts),
                           sum.generation_seconds);
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

std::string SummaryText(const Totals& t, Engine& engine, const GenerationOptions& options,
                        const ChoiceLimiter* limiter) {
  const bool full = t.sum.finish_reason == FinishReason::kContextFull;
  return Format(
      "\nprompt      {:>6} tokens  {:>8.1f} tokens/s\n"
      "generation  {:>6} tokens  {:>8.1f} tokens/s\n"
      "{}{}{}"
      "load        {:.3f} s, memory {}, {} threads, {} kernels, seed {}{}\n",
      t.sum.num_prompt_tokens, t.prompt_rate(), t.sum.num_generated_tokens, t.generation_rate(),
      LookupSummary(options.lookup, t.sum.num_drafted_tokens, t.sum.num_accepted_tokens),
      ChoiceSummary(limiter), StreamSummary(engine), t.load_seconds,
      FormatBytes(engine.context().budget.peak_bytes()), engine.context().pool.num_threads(),
      engine.context().kernels.isa, options.sampling.seed, full ? "; the context is full" : "");
}

// The requests of --batch.
Result<std::vector<BatchLine>> ReadBatch(const RunFlags& flags, const GenerationOptions& options,
                                         int64_t vocab_size) {
  const bool from_stdin = flags.batch == "-";
  MOIETY_ASSIGN_OR_RETURN(const std::string text,
                          from_stdin ? ReadStandardInput() : ReadText(flags.batch));
  BatchLine defaults;
  defaults.options = options;
  defaults.num_samples = flags.num_samples;
  MOIETY_ASSIGN_OR_RETURN(
      std::vector<BatchLine> lines,
      ParseBatchFile(text, from_stdin ? "standard input" : flags.batch, defaults, vocab_size));
  for (BatchLine& line : lines) {
    // Without a seed from anybody, each has its own.
    if (!line.has_seed && flags.sampling.seed < 0) {
      line.options.sampling.seed = std::random_device{}();
    }
  }
  return lines;
}

BatchRunOptions BatchOptions(const RunFlags& flags, RouteWatch& watch) {
  return {.batcher = flags.batcher,
          .add_special = !flags.no_special,
          .observer = watch.observer(),
          .cancelled = [] { return run_interrupted != 0; }};
}

Status RunBatchFile(const RunFlags& flags, Engine& engine, const ChoiceLimiter* limiter,
                    RouteWatch& watch) {
  MOIETY_ASSIGN_OR_RETURN(const std::vector<BatchLine> lines,
                          ReadBatch(flags, flags.generation, engine.model().info().vocab_size));
  MOIETY_ASSIGN_OR_RETURN(
      const BatchTotals totals,
      RunBatch(engine, lines, BatchOptions(flags, watch), [](const BatchText& text) {
        // A message may name a file, which may be no UTF-8.
        constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
        return Print(BatchTextJson(text).dump(-1, ' ', false, kReplace) + "\n");
      }));
  MOIETY_RETURN_IF_ERROR(watch.Close());
  std::fputs(BatchSummary(totals, engine, flags.generation.lookup, limiter).c_str(), stderr);
  if (totals.num_failed == 0) return OkStatus();
  return InvalidArgument(
      Format("{} of {} requests failed", totals.num_failed, totals.num_requests));
}

// Several continuations of one prompt.
Status RunSamples(const RunFlags& flags, Engine& engine, const std::string& prompt,
                  const ChoiceLimiter* limiter, RouteWatch& watch) {
  BatchLine line;
  line.prompt = prompt;
  line.options = flags.generation;
  line.num_samples = flags.num_samples;
  nlohmann::ordered_json samples = nlohmann::ordered_json::array();
  const auto print = [&](const BatchText& text) -> Status {
    if (!text.result.ok()) return text.result.status();
    if (!flags.json) return Print((text.sample == 0 ? "" : "\n") + prompt + text.text + "\n");
    samples.push_back(BatchTextJson(text));
    samples.back().erase("line");
    return OkStatus();
  };
  MOIETY_ASSIGN_OR_RETURN(const BatchTotals totals,
                          RunBatch(engine, {&line, 1}, BatchOptions(flags, watch), print));
  MOIETY_RETURN_IF_ERROR(watch.Close());
  if (flags.json) {
    json document = {{"model", engine.path().string()},
                     {"seed", line.options.sampling.seed},
                     {"seconds", totals.seconds},
                     {"samples", samples},
                     {"peak_memory_bytes", engine.context().budget.peak_bytes()}};
    AddStreamJson(engine, document);
    AddChoiceJson(limiter, document);
    if (flags.experts) document["experts"] = ExpertJson(watch.stats());
    return Print(JsonText(document));
  }
  if (flags.experts) {
    MOIETY_RETURN_IF_ERROR(Print("\n" + ExpertTable(watch.stats(), ShowsColours(stdout))));
  }
  std::fputs(BatchSummary(totals, engine, flags.generation.lookup, limiter).c_str(), stderr);
  return OkStatus();
}

// Ctrl-C ends the text, not the program: the figures still follow. A second one ends it.
void EndTextsOnInterrupt() {
  std::signal(SIGINT, [](int) {
    run_interrupted = 1;
    std::signal(SIGINT, SIG_DFL);
  });
}

Status Run(const CLI::App& command, RunFlags& flags) {
  bool showcase = false;
  const bool is_batch = command.count("--batch") > 0;
  std::vector<std::string> prompts;
  if (!is_batch) {
    MOIETY_ASSIGN_OR_RETURN(prompts, Prompts(command, flags, &showcase));
    for (const char* flag : {"--parallel", "--batch-size"}) {
      if (flags.num_samples > 1 || command.count(flag) == 0) continue;
      return InvalidArgument(Format("{} is for many texts: with --batch or --samples", flag));
    }
    if (showcase && flags.num_samples > 1) {
      return InvalidArgument("--samples needs a prompt: give one with -p TEXT or -f FILE");
    }
  }
  if (showcase && flags.generation.lookup.max_ngram > 0) {
    return InvalidArgument("--lookup needs a prompt: give one with -p TEXT or -f FILE");
  }
  std::filesystem::path path = flags.model;
  if (flags.model.empty()) {
    MOIETY_ASSIGN_OR_RETURN(path, BundledModel());
  }
  Totals totals;
  const Clock::time_point start = Clock::now();
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(path, flags.engine));
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<ChoiceLimiter> limiter,
                          LimitChoices(*engine, flags.choices));
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine->tokenizer());
  totals.load_seconds = std::chrono::duration<double>(Clock::now() - start).count();

  GenerationOptions& options = flags.generation;
  MOIETY_ASSIGN_OR_RETURN(options.sampling,
                          ReadSamplingFlags(flags.sampling, engine->generation_config()));
  const bool experts = flags.experts || showcase;
  const int64_t recommended = engine->generation_config().max_new_tokens.value_or(kDefaultTokens);
  options.max_tokens = flags.max_tokens.value_or(showcase ? kShowcaseTokens : recommended);
  if (showcase) {
    options.stop.emplace_back("\n");  // a line each
  }
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<RouteWatch> watch,
                          RouteWatch::Create(*engine, experts, flags.trace, flags.experts_layer));
  const bool colours = experts && !flags.json && ShowsColours(stdout);

  EndTextsOnInterrupt();
  if (is_batch) return RunBatchFile(flags, *engine, limiter.get(), *watch);
  if (flags.num_samples > 1) {
    return RunSamples(flags, *engine, prompts.front(), limiter.get(), *watch);
  }
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
    return write_status.ok() && run_interrupted == 0;
  };
  for (const std::string& prompt : prompts) {
    if (run_interrupted != 0) break;
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
    if (options.lookup.max_ngram > 0) {
      document["lookup"] = {{"drafted_tokens", totals.sum.num_drafted_tokens},
                            {"accepted_tokens", totals.sum.num_accepted_tokens}};
    }
    document["seed"] = options.sampling.seed;
    document["text"] = text;
    document["tokens"] = std::move(tokens);
    document["peak_memory_bytes"] = engine->context().budget.peak_bytes();
    AddStreamJson(*engine, document);
    AddChoiceJson(limiter.get(), document);
    if (experts) document["experts"] = ExpertJson(watch->stats());
    return Print(JsonText(document));
  }
  if (experts) MOIETY_RETURN_IF_ERROR(Print("\n" + ExpertTable(watch->stats(), colours)));
  std::fputs(SummaryText(totals, *engine, options, limiter.get()).c_str(), stderr);
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
                 "  echo \"Once upon\" | moiety run path/to/model --json\n"
                 "  moiety run path/to/model --batch requests.jsonl > answers.jsonl");
  auto flags = std::make_shared<RunFlags>();
  RunFlags& f = *flags;
  command
      ->add_option("MODEL", f.model,
                   "Hugging Face folder or GGUF file (default: the bundled model)")
      ->type_name("");
  CLI::Option* prompt =
      command->add_option("-p,--prompt", f.prompt, "Text to continue (default: standard input)");
  command->add_option("-f,--file", f.file, "File with the text to continue")->excludes(prompt);
  command
      ->add_option(
          "-n,--predict,--max-tokens", f.max_tokens,
          "Tokens to generate, -1: until the text ends or the context is full (default: 256 *)")
      ->check(AtLeast(-1));
  AddSamplingFlags(*command, f.sampling, "-s,--seed");
  command
      ->add_option("--stop,-r,--reverse-prompt", f.generation.stop,
                   "End the text before this string; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--ignore-eos", f.generation.ignore_eos,
                    "Go on after the model's end-of-text token");
  command->add_flag("--no-special", f.no_special,
                    "Do not add special tokens (such as <s>) to the prompt");
  CLI::Option* batch = command->add_option(
      "--batch", f.batch,
      "Run the requests of this file (-: standard input) together: a JSON object per line, with "
      "prompt or messages, and max_tokens, temperature, n, seed, stop, ... where they differ from "
      "the flags; a JSON line per text follows, in that order");
  batch->excludes(prompt)->excludes("--file");
  command
      ->add_option("--samples,--num-samples", f.num_samples,
                   "Continuations of each prompt, with seeds that count up (default: 1)")
      ->check(CLI::Range(int64_t{1}, kMaxSamples).description(""));
  command
      ->add_option("--parallel,--max-num-seqs", f.batcher.max_sequences,
                   "-np: texts that are computed together (default: 32)")
      ->check(AtLeast(1));
  command
      ->add_option("-b,--batch-size,--max-num-batched-tokens", f.batcher.max_rows,
                   "Tokens that are computed together (default: 512)")
      ->check(AtLeast(1));
  CLI::Option* logprobs = command
                              ->add_option("--logprobs", f.generation.top_logprobs,
                                           "With --json: list this many alternatives per token")
                              ->check(AtLeast(0));
  CLI::Option* experts = command->add_flag(
      "--experts", f.experts,
      "Colour each token by the expert with the largest weight in choosing it, and "
      "end with a table of "
      "expert shares");
  experts->excludes(batch);
  command
      ->add_option("--experts-layer", f.experts_layer,
                   "With --experts: layer that gives the colour (default: the last)")
      ->check(AtLeast(0))
      ->needs(experts);
  command->add_option("--trace", f.trace, "Write every routing decision to this file (JSON lines)");
  AddLookupFlags(*command, f.generation.lookup, {"--experts", "--trace"});
  CLI::Option* as_json =
      command->add_flag("--json", f.json, "Print one JSON object instead of text");
  as_json->excludes(batch);
  logprobs->needs(as_json)->excludes("--samples");
  AddChoiceFlags(*command, f.choices);
  AddEngineFlags(*command, f.engine);
  command->footer(command->get_footer() + kSamplingFootnote);
  return [command, flags] { return Run(*command, *flags); };
}

}  // namespace moiety::cli
