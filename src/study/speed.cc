#include "study/speed.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/format.h"
#include "base/rng.h"

namespace moiety {
namespace {

using Clock = std::chrono::steady_clock;

// The sequences of a test with their ids.
class Run {
 public:
  Run(Engine& engine, const SpeedTest& test, const SpeedOptions& options)
      : engine_(engine), test_(test), replay_(options.replay) {
    const auto vocab_size = static_cast<double>(engine.model().info().vocab_size);
    ids_.resize(static_cast<size_t>(test.num_sequences));
    for (size_t s = 0; s < ids_.size(); ++s) {
      sequences_.push_back(std::make_unique<Sequence>(engine.pages()));
      for (int64_t i = 0; i < test.depth + test.num_tokens; ++i) {
        const double random = UniformDouble(options.seed, s, static_cast<uint64_t>(i));
        ids_[s].push_back(static_cast<int32_t>(random * vocab_size));
      }
    }
    PlaceSequences();
  }

  // Brings one sequence to the depth of the test.
  Status FillSequence(size_t s) {
    return engine_.Feed(*sequences_[s], std::span(ids_[s]).first(static_cast<size_t>(test_.depth)),
                        LogitRows::kNone, nullptr);
  }
  size_t num_sequences() const { return sequences_.size(); }

  // Computes the tokens of the test; the sequences are as before afterwards.
  Status Repeat(Observer* observer) {
    Status status = test_.kind == SpeedTest::Kind::kPrefill ? Prefill(observer) : Decode(observer);
    for (const auto& sequence : sequences_) {
      sequence->Truncate(std::min(sequence->length(), test_.depth));
    }
    ++num_repetitions_;
    PlaceSequences();
    return status;
  }

 private:
  void PlaceSequences() {
    if (replay_ == nullptr) return;
    const auto count = static_cast<int64_t>(sequences_.size());
    for (int64_t s = 0; s < count; ++s) {
      replay_->Place(sequences_[static_cast<size_t>(s)]->number(),
                     s * replay_->num_tokens() / count + num_repetitions_ * test_.num_tokens);
    }
  }

  Status Prefill(Observer* observer) {
    const auto ids = std::span(ids_[0]).subspan(static_cast<size_t>(test_.depth));
    return engine_.Feed(
        *sequences_[0], ids, LogitRows::kLast, [](int64_t, const Matrix&) { return OkStatus(); },
        observer);
  }

  Status Decode(Observer* observer) {
    std::vector<StepPart> parts(sequences_.size());
    for (int64_t i = 0; i < test_.num_tokens; ++i) {
      for (size_t s = 0; s < sequences_.size(); ++s) {
        const auto position = static_cast<size_t>(sequences_[s]->length());
        parts[s] = {sequences_[s].get(), std::span(ids_[s]).subspan(position, 1), LogitRows::kLast};
      }
      MOIETY_RETURN_IF_ERROR(engine_.Step(parts, observer).status());
    }
    return OkStatus();
  }

  Engine& engine_;
  SpeedTest test_;
  RoutingReplay* const replay_;
  int64_t num_repetitions_ = 0;
  std::vector<std::unique_ptr<Sequence>> sequences_;
  std::vector<std::vector<int32_t>> ids_;  // [sequence][depth + num_tokens]
};

double SecondsFrom(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One more repetition, observed: what it reads and computes, and where its threads wait.
Status Observe(Engine& engine, Run& run, SpeedResult& result) {
  ThreadPool& pool = engine.context().pool;
  StepCostCounter counter(engine.model().info(), engine.store(), engine.pages().layout());
  pool.StartTiming();
  const Clock::time_point start = Clock::now();
  Status status = run.Repeat(&counter);
  const double seconds = SecondsFrom(start);
  const LoopTimes loops = pool.StopTiming();
  result.costs = counter.costs();
  const auto threads = static_cast<double>(pool.num_threads());
  result.barrier_share = loops.wait_seconds / (threads * seconds);
  result.serial_share = (seconds - loops.loop_seconds) * (threads - 1) / (threads * seconds);
  return status;
}

double Seconds(const SpeedRepetition& repetition) { return repetition.seconds; }

// A figure of each repetition, ascending.
template <class Figure>
std::vector<double> Sorted(const std::vector<SpeedRepetition>& repetitions, const Figure& figure) {
  std::vector<double> values(repetitions.size());
  std::transform(repetitions.begin(), repetitions.end(), values.begin(), figure);
  std::sort(values.begin(), values.end());
  return values;
}

template <class Figure>
double Median(const std::vector<SpeedRepetition>& repetitions, const Figure& figure) {
  const std::vector<double> values = Sorted(repetitions, figure);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace

std::string SpeedTest::Name() const {
  const auto count = [](int64_t n, const char* what) {
    return Format("{} {}{}", n, what, n == 1 ? "" : "s");
  };
  std::string name = kind == Kind::kPrefill ? "prefill" : "decode";
  name += " of " + count(num_tokens, "token") + Format(" at depth {}", depth);
  if (kind == Kind::kDecode) name += " with " + count(num_sequences, "sequence");
  return name;
}

double SpeedResult::tokens_per_s() const {
  return static_cast<double>(costs.num_rows) / median_seconds();
}
double SpeedResult::best_tokens_per_s() const {
  return static_cast<double>(costs.num_rows) / Sorted(repetitions, Seconds).front();
}
double SpeedResult::worst_tokens_per_s() const {
  return static_cast<double>(costs.num_rows) / Sorted(repetitions, Seconds).back();
}
double SpeedResult::median_seconds() const { return Median(repetitions, Seconds); }
double SpeedResult::bytes_per_s() const {
  return static_cast<double>(costs.bytes()) / median_seconds();
}
double SpeedResult::flops_per_s() const {
  return static_cast<double>(costs.flops) / median_seconds();
}

double SpeedResult::read_limit() const {
  return Median(repetitions, [](const SpeedRepetition& r) { return r.read_limit; });
}
double SpeedResult::multiply_limit() const {
  return Median(repetitions, [](const SpeedRepetition& r) { return r.multiply_limit; });
}
double SpeedResult::read_share() const {
  return Median(repetitions, [&](const SpeedRepetition& r) {
    return static_cast<double>(costs.bytes()) / r.seconds / r.read_limit;
  });
}
double SpeedResult::multiply_share() const {
  return Median(repetitions, [&](const SpeedRepetition& r) {
    return static_cast<double>(costs.flops) / r.seconds / r.multiply_limit;
  });
}

double SpeedResult::experts_per_layer(const ModelInfo& info) const {
  const int64_t layers = costs.num_steps * info.num_moe_layers;
  return layers == 0 ? 0 : static_cast<double>(costs.experts_used) / static_cast<double>(layers);
}

int64_t TokensOf(const SpeedTest& test, const SpeedOptions& options) {
  return test.num_sequences * (test.depth + (options.repetitions + 2) * test.num_tokens);
}

Status CheckSpeedTest(const ModelInfo& info, const SpeedTest& test, const SpeedOptions& options) {
  if (test.num_tokens < 1 || test.depth < 0) {
    return InvalidArgument(
        Format("{}: expected at least one token, and a depth of at least 0", test.Name()));
  }
  if (options.repetitions < 1 || options.repetitions > kMaxSpeedRepetitions) {
    return InvalidArgument(Format("repetitions must be from 1 to {}, found {}",
                                  kMaxSpeedRepetitions, options.repetitions));
  }
  const int64_t most = test.kind == SpeedTest::Kind::kPrefill ? 1 : kMaxSpeedSequences;
  if (test.num_sequences < 1 || test.num_sequences > most) {
    return InvalidArgument(Format("{}: sequences must be from 1 to {}", test.Name(), most));
  }
  if (test.depth > info.context_length || test.num_tokens > info.context_length - test.depth) {
    return InvalidArgument(
        Format("{}: the model's context has only {} tokens", test.Name(), info.context_length));
  }
  return OkStatus();
}

Result<SpeedResult> MeasureSpeed(Engine& engine, MachineLimits& limits, const SpeedTest& test,
                                 const SpeedOptions& options,
                                 const std::function<void(int64_t num_tokens)>& progress) {
  MOIETY_RETURN_IF_ERROR(CheckSpeedTest(engine.model().info(), test, options));
  const auto report = [&](int64_t num_tokens) {
    if (progress != nullptr) progress(num_tokens);
  };
  Run run(engine, test, options);
  for (size_t s = 0; s < run.num_sequences(); ++s) {
    MOIETY_RETURN_IF_ERROR(run.FillSequence(s));
    report(test.depth);
  }
  // The same ids as in the timed runs, so what those read of a mapped file is in memory then.
  MOIETY_RETURN_IF_ERROR(run.Repeat(nullptr));
  report(test.num_tokens * test.num_sequences);
  SpeedResult result;
  result.test = test;
  MOIETY_RETURN_IF_ERROR(Observe(engine, run, result));
  report(test.num_tokens * test.num_sequences);
  const uint64_t step_bytes = result.costs.bytes() / static_cast<uint64_t>(result.costs.num_steps);
  double read_before = limits.ReadLimit(step_bytes);
  double multiply_before = limits.MultiplyLimit();
  for (int64_t i = 0; i < options.repetitions; ++i) {
    const Clock::time_point start = Clock::now();
    MOIETY_RETURN_IF_ERROR(run.Repeat(nullptr));
    const double seconds = SecondsFrom(start);
    const double read_after = limits.ReadLimit(step_bytes);
    const double multiply_after = limits.MultiplyLimit();
    result.repetitions.push_back(
        {seconds, std::max(read_before, read_after), std::max(multiply_before, multiply_after)});
    read_before = read_after;
    multiply_before = multiply_after;
    report(test.num_tokens * test.num_sequences);
  }
  MOIETY_RETURN_IF_ERROR(CheckShares(result));
  return result;
}

Status CheckShares(const SpeedResult& result) {
  const auto check = [&](const char* what, double share, double speed, double limit,
                         const char* unit) -> Status {
    if (share <= 1) return OkStatus();
    return InvalidData(
        Format("{}: {} {:.2f} {} where the limit is {:.2f} {}, {:.0f} %: one of the "
               "two was measured wrongly (was the machine busy?)",
               result.test.Name(), what, speed / 1e9, unit, limit / 1e9, unit, 100 * share));
  };
  MOIETY_RETURN_IF_ERROR(
      check("reads", result.read_share(), result.bytes_per_s(), result.read_limit(), "GB/s"));
  return check("computes", result.multiply_share(), result.flops_per_s(), result.multiply_limit(),
               "GFLOP/s");
}

}  // namespace moiety
