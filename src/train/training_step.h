// TrainingStep: from a batch of sequences to changed weights.
#ifndef MOIETY_TRAIN_TRAINING_STEP_H_
#define MOIETY_TRAIN_TRAINING_STEP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/context.h"
#include "moiety/status.h"
#include "ops/tape.h"
#include "train/gradient_pass.h"
#include "train/gradient_tree.h"
#include "train/optimizer.h"
#include "train/precision.h"
#include "train/trained_model.h"

namespace moiety {

struct TrainingStepOptions {
  int64_t micro_batch_sequences = 0;  // that go through the model together; 0: the whole batch
  double clip_norm = 1;               // gradients are scaled down to this norm; 0: never
  double skip_loss_factor =
      0;  // a loss above this many times the mean of late ones is a spike; 0: no
  RouterLossOptions router_losses;
  TrainingNoise noise;  // but for step and first_sequence
};

struct StepResult {
  double loss = 0;  // mean cross-entropy of a target, in nats
  RouterLosses router_losses;
  int64_t num_targets = 0;
  double gradient_norm = 0;  // before clipping
  // Why the weights were left as they were: a loss or gradient that is not finite, and where it is,
  // or a spike of the loss.
  std::optional<std::string> skipped;
};

class TrainingStep {
 public:
  // All must outlive this. `copies` is refreshed after each change of the weights.
  TrainingStep(Context& context, TrainedModel& trained, Optimizer& optimizer, Bf16Copies& copies,
               const TrainingStepOptions& options);

  // Step number `step`, from 1 on. Micro-batches are the batch in its order, cut every
  // micro_batch_sequences; their gradients are summed as a tree (GradientTree), so the bits depend
  // on that size but not on threads. What is drawn depends on neither: it is a function of the
  // step, a sequence's number in the batch and a token's position. `observer` (null: none) sees the
  // forward passes.
  Result<StepResult> Run(std::span<const TrainingSequence> batch, int64_t step,
                         double learning_rate, Observer* observer = nullptr);

  // What the guard against spikes remembers, for checkpoints: the mean of late losses, 0 if there
  // were none.
  double mean_loss() const { return mean_loss_; }
  void set_mean_loss(double mean_loss) { mean_loss_ = mean_loss; }

 private:
  // Why the step is not to be taken, if so.
  std::optional<std::string> Objection(const StepResult& result) const;

  Context& context_;
  TrainedModel& trained_;
  Optimizer& optimizer_;
  Bf16Copies& copies_;
  TrainingStepOptions options_;
  GradientPass pass_;
  GradientTree tree_;
  std::vector<OptimizedTensor> tensors_;
  double mean_loss_ = 0;
};

// The parameters as an optimizer takes them: matrices decay.
std::vector<OptimizedTensor> OptimizedTensors(const Parameters& parameters);

}  // namespace moiety

#endif  // MOIETY_TRAIN_TRAINING_STEP_H_
