// RouteWatch: what --experts and --trace ask of a run, as one observer.
#ifndef MOIETY_CLI_ROUTE_WATCH_H_
#define MOIETY_CLI_ROUTE_WATCH_H_

#include <cstdint>
#include <memory>
#include <string>

#include "ops/observer.h"
#include "runtime/engine.h"
#include "study/expert_stats.h"
#include "study/trace.h"

namespace moiety::cli {

class RouteWatch : public Observer {
 public:
  // `experts`: count expert shares; an error for a dense model. `trace`: file to write, "" for
  // none. `layer`: where strongest() looks, -1 for the last layer.
  static Result<std::unique_ptr<RouteWatch>> Create(const Engine& engine, bool experts,
                                                    const std::string& trace, int64_t layer = -1);

  // What to hand to the engine: null when there is nothing to watch.
  Observer* observer() { return experts_ || trace_ != nullptr ? this : nullptr; }

  void OnStep(const Batch& batch) override;
  void OnRoute(int64_t layer, const RouterOutput& routed) override;

  const ExpertStats& stats() const { return stats_; }
  void ResetStats() { stats_ = {}; }
  // The expert with the largest weight for the last row of the latest step, which the next token is
  // chosen from; -1 if it has none.
  int64_t strongest() const { return strongest_; }

  // Ends the trace; reports an error of any of its writes.
  Status Close() { return trace_ == nullptr ? OkStatus() : trace_->Close(); }

 private:
  RouteWatch(bool experts, int64_t layer, std::unique_ptr<TraceWriter> trace)
      : experts_(experts), layer_(layer), trace_(std::move(trace)) {}

  bool experts_;
  int64_t layer_;
  std::unique_ptr<TraceWriter> trace_;
  ExpertStats stats_;
  int64_t strongest_ = -1;
};

}  // namespace moiety::cli

#endif  // MOIETY_CLI_ROUTE_WATCH_H_
