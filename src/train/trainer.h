// Trainer: a whole run, from a config and texts to a model.
//
//   texts ─ corpus ─► token shards ─ sample order ─► sequences ─ training step ─► weights ─►
//   checkpoints, model/
#ifndef MOIETY_TRAIN_TRAINER_H_
#define MOIETY_TRAIN_TRAINER_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "moiety/status.h"
#include "routing/router_metrics.h"
#include "train/config.h"
#include "train/training_step.h"

namespace moiety {

// What a run is about to do.
struct TrainPlan {
  std::string architecture;  // model_type of the export
  int64_t parameters = 0;
  int64_t active_parameters = 0;  // of one token
  uint64_t memory_bytes =
      0;                   // of weights, gradients and the optimizer; the rest depends on batches
  int64_t first_step = 1;  // above 1 when resumed
  int64_t steps = 0;
  int64_t tokens_per_step = 0;
  struct Domain {
    std::string name;
    int64_t train_tokens = 0;
    int64_t valid_tokens = 0;
    double share = 0;  // of the samples
  };
  std::vector<Domain> domains;
};

struct TrainedStep {
  int64_t step = 0;
  double learning_rate = 0;
  StepResult result;
  double seconds = 0;
  std::vector<RouterMetrics> layers;  // of the layers with routers, in their order
};

// Mean cross-entropy of a token, in nats.
struct Validation {
  int64_t step = 0;
  double loss = 0;  // mean over the domains' tokens
  struct Domain {
    double loss = 0;
    int64_t tokens = 0;
  };
  std::map<std::string, Domain> domains;
};

// Who is told what happens, on the thread that trains.
class TrainWatch {
 public:
  virtual ~TrainWatch() = default;
  virtual void OnPlan(const TrainPlan& plan) { (void)plan; }
  // What takes long before the first step: "reading de", 0.3.
  virtual void OnPreparing(const std::string& what, double done) {
    (void)what;
    (void)done;
  }
  virtual void OnStep(const TrainedStep& step) { (void)step; }
  virtual void OnValidation(const Validation& validation) { (void)validation; }
  // False ends the run after this step, with a checkpoint.
  virtual bool GoesOn() { return true; }
};

struct TrainRequest {
  TrainConfig config;
  std::filesystem::path run;  // the folder of the run
  bool resume = false;        // from its last checkpoint
  bool dry_run = false;       // plan and measure one step; nothing is written
};

struct TrainSummary {
  int64_t step = 0;       // the last one
  bool finished = false;  // all steps were taken
  int64_t skipped_steps = 0;
  Validation validation;  // at the end
  std::filesystem::path model;
  double seconds_per_step = 0;  // median
  uint64_t peak_memory_bytes = 0;
};

// Trains. The folder of the run gets
//   config.toml             what was asked for
//   tokenizer/              made from the data, unless the config names one
//   data/NAME.*.tokens      the domains in tokens
//   log.jsonl, metrics.csv  a line per step and per validation
//   checkpoints/step-N/     see train/checkpoint.h
//   model/                  a Hugging Face folder of the last state
// Same config, texts and kernels: the same bits, for any number of threads and however often the
// run was stopped and resumed.
//
// Fails without a trace for a config that makes no sense, for texts that cannot be read, and for a
// folder that has a run unless `resume` is set (and the other way round). A disk that fills up or a
// process that dies leaves the last checkpoint.
Result<TrainSummary> Train(Context& context, const TrainRequest& request, TrainWatch& watch);

}  // namespace moiety

#endif  // MOIETY_TRAIN_TRAINER_H_
