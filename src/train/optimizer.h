// Optimizer: from gradients to new weights. One optimizer is one file.
#ifndef MOIETY_TRAIN_OPTIMIZER_H_
#define MOIETY_TRAIN_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/memory_budget.h"
#include "base/parallel.h"
#include "moiety/status.h"
#include "train/config.h"

namespace moiety {

// Values that the optimizer changes, with their gradients; both belong to the caller.
struct OptimizedTensor {
  std::string name;
  std::span<float> values;
  std::span<const float> gradient;
  bool decays = true;  // weight decay is for matrices, not for gains and biases
};

// What an optimizer remembers of a tensor, for checkpoints.
struct OptimizerState {
  std::string name;  // of the tensor, and of the state: "exp_avg.model.norm.weight"
  std::span<float> values;
};

// The square root of the sum of squares of all gradients, added in an order that does not depend on
// threads.
double GradientNorm(ThreadPool& pool, std::span<const OptimizedTensor> tensors);

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // One step, the `step`th from 1 on, with all gradients multiplied by `gradient_scale` first.
  virtual void Step(ThreadPool& pool, int64_t step, double learning_rate, float gradient_scale) = 0;
  // In a fixed order; zeros before the first step.
  virtual std::vector<OptimizerState> State() = 0;
  virtual size_t state_bytes() const = 0;
};

// The optimizer that a config names. The tensors' memory must outlive it. Fails for an unknown name
// (listing the known ones), or without memory.
Result<std::unique_ptr<Optimizer>> MakeOptimizer(const OptimizerConfig& config,
                                                 std::vector<OptimizedTensor> tensors,
                                                 MemoryBudget& budget);

}  // namespace moiety

#endif  // MOIETY_TRAIN_OPTIMIZER_H_
