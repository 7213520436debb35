// Runs many requests at once, for `moiety run --batch` and `--samples`.
#ifndef MOIETY_CLI_BATCH_RUN_H_
#define MOIETY_CLI_BATCH_RUN_H_

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "moiety/generation.h"
#include "moiety/status.h"
#include "ops/observer.h"
#include "routing/choice_limits.h"
#include "runtime/batch_file.h"
#include "runtime/batcher.h"
#include "runtime/engine.h"

namespace moiety::cli {

// One text of one request.
struct BatchText {
  const BatchLine* line = nullptr;
  int64_t sample = 0;
  std::string text;
  Result<GenerationResult> result = GenerationResult();  // or what went wrong with it

  uint64_t seed() const { return line->options.sampling.seed + static_cast<uint64_t>(sample); }
};

struct BatchRunOptions {
  BatcherOptions batcher;
  bool add_special = true;  // to prompts; messages have what their template writes
  Observer* observer = nullptr;
  std::function<bool()> cancelled;
};

struct BatchTotals {
  int64_t num_requests = 0;
  int64_t num_failed = 0;  // of these
  int64_t num_prompt_tokens = 0;
  int64_t num_generated_tokens = 0;
  int64_t num_drafted_tokens = 0;  // by prompt look-up
  int64_t num_accepted_tokens = 0;
  double seconds = 0;
  BatcherStats steps;
};

// `print` gets each text in the order of `lines` and samples, as soon as all before it are there; a
// failure of it ends the run. What is wrong with one request is in its texts.
Result<BatchTotals> RunBatch(Engine& engine, std::span<const BatchLine> lines,
                             const BatchRunOptions& options,
                             const std::function<Status(const BatchText& text)>& print);

// {"id" or "line", "index", "text", "finish_reason", "prompt_tokens", "completion_tokens", "seed"}
// or {"id" or "line", "index", "error"}.
nlohmann::ordered_json BatchTextJson(const BatchText& text);

// The figures of a run, for people; of `lookup` where that is on, of `limiter` where there is one.
std::string BatchSummary(const BatchTotals& totals, Engine& engine, const LookupOptions& lookup,
                         const ChoiceLimiter* limiter = nullptr);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_BATCH_RUN_H_
