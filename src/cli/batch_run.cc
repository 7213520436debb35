#include "cli/batch_run.h"

#include <chrono>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/format.h"
#include "chat/chat_template.h"
#include "cli/choice_flags.h"
#include "cli/command.h"
#include "cli/lookup_flags.h"
#include "cli/stream_report.h"
#include "cli/terminal.h"

namespace moiety::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Texts on their way out: they end in any order and are printed in that of the input.
class Outlet {
 public:
  explicit Outlet(std::function<Status(const BatchText& text)> print) : print_(std::move(print)) {}

  // Places for a request's texts; returns the first.
  int64_t Add(const BatchLine& line) {
    const auto first = static_cast<int64_t>(texts_.size()) + num_printed_;
    for (int64_t i = 0; i < line.num_samples; ++i) {
      BatchText& text = texts_.emplace_back().text;
      text.line = &line;
      text.sample = i;
    }
    num_texts_ += line.num_samples;
    return first;
  }
  BatchText& text(int64_t place) { return entry(place).text; }
  void End(int64_t place, const Result<GenerationResult>& result) {
    entry(place).text.result = result;
    entry(place).ended = true;
    ++num_ended_;
  }
  // Prints what is ready.
  Status Flush() {
    while (!texts_.empty() && texts_.front().ended) {
      MOIETY_RETURN_IF_ERROR(print_(texts_.front().text));
      texts_.pop_front();
      ++num_printed_;
    }
    return OkStatus();
  }
  bool is_ready() const { return !texts_.empty() && texts_.front().ended; }
  int64_t num_texts() const { return num_texts_; }
  int64_t num_ended() const { return num_ended_; }

 private:
  struct Entry {
    BatchText text;
    bool ended = false;
  };
  Entry& entry(int64_t place) { return texts_[static_cast<size_t>(place - num_printed_)]; }

  std::function<Status(const BatchText& text)> print_;
  std::deque<Entry> texts_;
  int64_t num_texts_ = 0, num_printed_ = 0, num_ended_ = 0;
};

// What the model sees of requests.
class Encoder {
 public:
  Encoder(const Engine& engine, const Tokenizer& tokenizer, bool add_special)
      : engine_(engine), tokenizer_(tokenizer), add_special_(add_special) {}

  Result<std::vector<int32_t>> Encode(const BatchLine& line) {
    if (line.messages.is_null()) return tokenizer_.Encode(line.prompt, add_special_);
    if (!template_.has_value()) template_ = OpenChatTemplate(engine_.path());
    if (!template_->ok()) return Status(template_->status());
    ChatInput input;
    input.messages = line.messages;
    MOIETY_ASSIGN_OR_RETURN(const std::string text, (*template_)->Render(input));
    return tokenizer_.Encode(text, /*add_special=*/false);
  }

 private:
  const Engine& engine_;
  const Tokenizer& tokenizer_;
  bool add_special_;
  std::optional<Result<ChatTemplate>> template_;  // opened when the first messages come
};

}  // namespace

Result<BatchTotals> RunBatch(Engine& engine, std::span<const BatchLine> lines,
                             const BatchRunOptions& options,
                             const std::function<Status(const BatchText& text)>& print) {
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine.tokenizer());
  const Clock::time_point start = Clock::now();
  BatchTotals totals;
  totals.num_requests = static_cast<int64_t>(lines.size());
  Outlet outlet(print);
  Encoder encoder(engine, *tokenizer, options.add_special);
  Batcher batcher(engine, options.batcher, options.observer);
  std::vector<bool> has_failed(lines.size());
  for (size_t number = 0; number < lines.size(); ++number) {
    const BatchLine& line = lines[number];
    const int64_t first = outlet.Add(line);
    const auto failed = [&, number, first](int64_t sample, const Status& status) {
      if (!has_failed[number]) ++totals.num_failed;
      has_failed[number] = true;
      outlet.End(first + sample, status);
    };
    BatchRequest request;
    request.options = line.options;
    request.num_samples = line.num_samples;
    request.cancelled = options.cancelled;
    request.on_token = [&outlet, first](int64_t sample, const TokenEvent& event) {
      outlet.text(first + sample).text += event.text;
      return true;
    };
    request.on_end = [&totals, &outlet, first, failed](int64_t sample,
                                                       const Result<GenerationResult>& result) {
      if (!result.ok()) return failed(sample, result.status());
      if (sample == 0) totals.num_prompt_tokens += result->num_prompt_tokens;
      totals.num_generated_tokens += result->num_generated_tokens;
      totals.num_drafted_tokens += result->num_drafted_tokens;
      totals.num_accepted_tokens += result->num_accepted_tokens;
      outlet.End(first + sample, result);
    };
    Result<std::vector<int32_t>> ids = encoder.Encode(line);
    Status status = ids.status();
    if (status.ok()) {
      request.prompt = *std::move(ids);
      status = batcher.Add(std::move(request));
    }
    for (int64_t i = 0; i < line.num_samples && !status.ok(); ++i) failed(i, status);
  }
  ProgressBar bar("batch", outlet.num_texts(), "texts");
  while (true) {
    if (outlet.is_ready()) bar.Clear();
    MOIETY_RETURN_IF_ERROR(outlet.Flush());
    if (batcher.idle()) break;
    batcher.Step();
    bar.Update(outlet.num_ended(), Format("{} rows computed", batcher.stats().num_rows));
  }
  bar.Clear();
  totals.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  totals.steps = batcher.stats();
  return totals;
}

nlohmann::ordered_json BatchTextJson(const BatchText& text) {
  nlohmann::ordered_json out;
  if (text.line->id.is_null()) {
    out["line"] = text.line->line;
  } else {
    out["id"] = text.line->id;
  }
  out["index"] = text.sample;
  if (!text.result.ok()) {
    out["error"] = text.result.status().message();
    return out;
  }
  out["text"] = text.text;
  out["finish_reason"] = FinishReasonName(text.result->finish_reason);
  out["prompt_tokens"] = text.result->num_prompt_tokens;
  out["completion_tokens"] = text.result->num_generated_tokens;
  out["seed"] = text.seed();
  return out;
}

std::string BatchSummary(const BatchTotals& t, Engine& engine, const LookupOptions& lookup,
                         const ChoiceLimiter* limiter) {
  return Format(
      "\nprompts     {:>6} tokens  {} of them reused\n"
      "generation  {:>6} tokens  {:>8.1f} tokens/s\n"
      "{}{}{}"
      "batch       {} requests in {:.3f} s, {} steps of at most {} texts, {} recomputed\n"
      "memory      {}, {} threads, {} kernels\n",
      t.num_prompt_tokens, t.steps.num_reused, t.num_generated_tokens,
      TokensPerSecond(t.num_generated_tokens, t.seconds),
      LookupSummary(lookup, t.num_drafted_tokens, t.num_accepted_tokens), ChoiceSummary(limiter),
      StreamSummary(engine), t.num_requests, t.seconds, t.steps.num_steps, t.steps.max_running,
      t.steps.num_preemptions, FormatBytes(engine.context().budget.peak_bytes()),
      engine.context().pool.num_threads(), engine.context().kernels.isa);
}

}  // namespace moiety::cli
