// Batcher: many requests at once, in steps whose rows are of any mix of sequences (Yu et al.,
// "Orca", 2022; pages and their sharing as in Kwon et al., "PagedAttention", 2023).
//
// The rows of a step: one for each text that is being written, then, up to the limit, parts of
// prompts in the order in which their requests came. When pages run out, the youngest gives its own
// back and is computed again later, from the tokens it has by then. A text with prompt look-up has
// more rows, of tokens that may follow, where there is room for them; those that do not are
// forgotten after the step. None of that changes a bit of any text.
#ifndef MOIETY_RUNTIME_BATCHER_H_
#define MOIETY_RUNTIME_BATCHER_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "moiety/generation.h"
#include "moiety/status.h"
#include "ops/observer.h"
#include "runtime/continuation.h"
#include "runtime/engine.h"

namespace moiety {

struct BatcherOptions {
  int64_t max_sequences = 32;                // that run at once
  int64_t max_rows = Engine::kDefaultChunk;  // of a step
};

struct BatchRequest {
  std::vector<int32_t> prompt;  // at least one id, special tokens included
  GenerationOptions options;
  // Texts that follow the prompt, which is computed once: sample i has the seed
  // options.sampling.seed + i.
  int64_t num_samples = 1;

  // All of these are called by Batcher::Step(), and may Add() requests.
  // Each token as it is there; false ends that sample. The texts of a sample's events joined are
  // the continuation; an end-of-sequence token has an event of its own with no text.
  std::function<bool(int64_t sample, const TokenEvent& event)> on_token;
  // Once for each sample, the last call for it.
  std::function<void(int64_t sample, const Result<GenerationResult>& result)> on_end;
  // Asked before each step that a sample would be part of, may be null; true ends the sample.
  std::function<bool()> cancelled;

  // The sequence to continue, for one sample; null: one of the batcher's own. The first num_held
  // ids of the prompt (not all of it) are the last that it holds: they count for penalties and for
  // the text, but are not computed again. Never given back for others; keeps what was computed.
  Sequence* sequence = nullptr;
  int64_t num_held = 0;
};

// What a batcher has done so far.
struct BatcherStats {
  int64_t num_steps = 0;
  int64_t num_rows = 0;         // computed
  int64_t num_reused = 0;       // prompt tokens whose pages were there already
  int64_t num_preemptions = 0;  // pages given back, to be computed again
  int64_t max_running = 0;      // sequences in one step
};

// Used by the thread that drives the engine, which nothing else may drive during a call. Destroying
// it drops what has not ended, without a call.
class Batcher {
 public:
  // `observer` (may be null) sees each step; a step that failed for want of memory comes again.
  Batcher(Engine& engine, const BatcherOptions& options, Observer* observer = nullptr);
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // Puts a request at the end of the queue. Fails for options outside their ranges, ids that the
  // model does not know, more of them than its context, a model without a tokenizer.
  Status Add(BatchRequest request);

  bool idle() const { return requests_.empty() && paused_.empty() && running_.empty(); }
  // Starts what can be started and runs one step. What goes wrong is in the results of requests.
  void Step();
  void Run() {
    while (!idle()) Step();
  }

  const BatcherStats& stats() const { return stats_; }

 private:
  struct Text;
  using Texts = std::vector<std::unique_ptr<Text>>;

  void Start();
  bool PutInPlace(std::unique_ptr<Text>& text);
  void CountReused(const Text& text, int64_t num_adopted);
  bool ComposeStep(bool with_drafts, std::vector<StepPart>& parts);
  void ShareRows(bool with_drafts);
  bool HasDrafts() const;
  bool MakeRoom(const Text& wanting);
  void Compute();
  void TakeLogits(const Matrix& logits);
  void Fork(Text& first, Texts& forks);
  void Choose(std::span<const std::pair<Text*, int64_t>> rows, const Matrix& logits);
  bool ShowToken(Text& text);
  void End(Text& text, const Result<GenerationResult>& result);
  void End(Text& text, FinishReason reason);
  void DropEnded();

  Engine& engine_;
  const BatcherOptions options_;
  Observer* const observer_;
  int64_t max_rows_;  // of a step: fewer than asked for where their buffers do not fit
  int64_t num_requests_ = 0;
  std::deque<std::pair<int64_t, BatchRequest>> requests_;  // by number, not started
  // Both in the order of requests and samples. Paused texts were started before any of requests_;
  // they may still hold pages.
  Texts paused_, running_;
  std::vector<Sampler::Candidates> scratch_;  // one per thread
  BatcherStats stats_;
};

}  // namespace moiety

#endif  // MOIETY_RUNTIME_BATCHER_H_
