// GradientPass: some sequences through a model and back: their losses, and the gradients of its
// parameters.
#ifndef MOIETY_TRAIN_GRADIENT_PASS_H_
#define MOIETY_TRAIN_GRADIENT_PASS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned.h"
#include "base/arena.h"
#include "base/context.h"
#include "models/model.h"
#include "moiety/status.h"
#include "ops/state.h"
#include "ops/tape.h"
#include "routing/router_losses.h"
#include "train/parameters.h"

namespace moiety {

// A sequence from its first token, and what is to follow each token: an id or kIgnoredTarget.
struct TrainingSequence {
  std::span<const int32_t> ids;
  std::span<const int32_t> targets;  // as many
};

struct Losses {
  double cross_entropy = 0;  // sum over targets, in nats
  int64_t num_targets = 0;
  RouterLosses router;
};

class GradientPass {
 public:
  // `parameters` may be null: then there is no way back. All must outlive this.
  GradientPass(Context& context, const Model& model, const Parameters* parameters,
               const RouterLossOptions& router_losses);

  // Adds to the parameters' gradients that of
  //   cross_entropy / total_targets + share · Σ coefficient · router loss,
  // so that the passes over the parts of a batch, each with its share of it, add up to the batch.
  // With parameters, the pass has this noise, of which draws are functions: sequence i counts as
  // number noise.first_sequence + i. `observer` (null: none) sees the forward pass.
  // Fails for no or an empty sequence, an id outside the vocabulary, or without memory; gradients
  // are then not to be used.
  Result<Losses> Run(std::span<const TrainingSequence> sequences, int64_t total_targets,
                     float share, const TrainingNoise& noise = {}, Observer* observer = nullptr);

 private:
  Status MakePages(size_t num_pages);

  Context& context_;
  const Model& model_;
  const Parameters* parameters_;
  RouterLossOptions router_losses_;
  StateLayout layout_;
  Arena arena_;
  Tape tape_;
  AlignedBytes page_memory_;
  MemoryBudget::Reservation page_reservation_;
  size_t num_pages_ = 0;
};

}  // namespace moiety

#endif  // MOIETY_TRAIN_GRADIENT_PASS_H_
