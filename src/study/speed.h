// Speed of a model's forward step: prompts, and decoding with any number of sequences.
#ifndef MOIETY_STUDY_SPEED_H_
#define MOIETY_STUDY_SPEED_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "moiety/status.h"
#include "runtime/engine.h"
#include "study/machine_limits.h"
#include "study/routing_replay.h"
#include "study/step_costs.h"

namespace moiety {

// What is measured.
struct SpeedTest {
  enum class Kind : uint8_t { kPrefill, kDecode };
  Kind kind = Kind::kPrefill;
  int64_t num_tokens =
      0;              // of each sequence; a prefill feeds them as a prompt, decoding one a step
  int64_t depth = 0;  // tokens that each sequence has before
  int64_t num_sequences = 1;  // decoded together, a row of each step for each; 1 for a prefill

  std::string Name() const;  // "decode of 64 tokens at depth 0 with 2 sequences"
};
inline constexpr int64_t kMaxSpeedSequences = 4096;
inline constexpr int64_t kMaxSpeedRepetitions = 1'000'000;

struct SpeedOptions {
  int64_t repetitions = 5;
  uint64_t seed = 1;  // of the token ids
  // One of the engine's edits: sequences walk on from places spread over the trace, each repetition
  // where the one before ended. Null: routers choose. Outlives the measurement.
  RoutingReplay* replay = nullptr;
};

// A timed run, and what the machine could do right before or after it, whichever is more: a machine
// that others use as well does not keep its speed for a whole measurement.
struct SpeedRepetition {
  double seconds;
  double read_limit;      // bytes per second, for memory as large as what a step reads
  double multiply_limit;  // flops per second
};

struct SpeedResult {
  SpeedTest test;
  std::vector<SpeedRepetition> repetitions;
  StepCosts costs;  // of one repetition
  // Of the time of all threads in one more repetition: waiting at the end of loops; waiting while
  // one thread works outside of loops.
  double barrier_share = 0;
  double serial_share = 0;

  // Tokens of all sequences: median, most, least.
  double tokens_per_s() const;
  double best_tokens_per_s() const;
  double worst_tokens_per_s() const;
  // Medians of the repetitions.
  double median_seconds() const;
  double bytes_per_s() const;
  double flops_per_s() const;
  double read_limit() const;
  double multiply_limit() const;
  // Of what the machine could do then: medians of the repetitions' shares.
  double read_share() const;
  double multiply_share() const;
  // Different experts that a step used in a layer, on average; 0 for a dense model.
  double experts_per_layer(const ModelInfo& info) const;
};

// Ids are random. A repetition without timing comes first, then one that is observed, so that
// looking costs the timed ones nothing. `progress` (may be null) gets the tokens computed since its
// last call. Fails for more tokens than the model's context has, and for a speed above a limit of
// the machine: then one of the two was measured wrongly.
Result<SpeedResult> MeasureSpeed(Engine& engine, MachineLimits& limits, const SpeedTest& test,
                                 const SpeedOptions& options,
                                 const std::function<void(int64_t num_tokens)>& progress);

// What MeasureSpeed() refuses before it begins.
Status CheckSpeedTest(const ModelInfo& info, const SpeedTest& test, const SpeedOptions& options);

// The tokens that MeasureSpeed() will compute, untimed ones included.
int64_t TokensOf(const SpeedTest& test, const SpeedOptions& options);

// Fails, naming the test and the numbers, if a share is above 1.
Status CheckShares(const SpeedResult& result);

}  // namespace moiety

#endif  // MOIETY_STUDY_SPEED_H_
