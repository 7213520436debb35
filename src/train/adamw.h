// AdamW (Loshchilov, Hutter 2019, "Decoupled weight decay regularization", algorithm 2), as PyTorch
// computes it:
//   p ← p · (1 - lr · weight_decay)            where the tensor decays
//   m ← β₁ m + (1 - β₁) g,  v ← β₂ v + (1 - β₂) g²
//   p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + eps)
#ifndef MOIETY_TRAIN_ADAMW_H_
#define MOIETY_TRAIN_ADAMW_H_

#include <memory>
#include <vector>

#include "base/memory_budget.h"
#include "moiety/status.h"
#include "train/optimizer.h"

namespace moiety {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
};

// The tensors' memory must outlive the optimizer.
Result<std::unique_ptr<Optimizer>> MakeAdamW(std::vector<OptimizedTensor> tensors,
                                             const AdamWOptions& options, MemoryBudget& budget);

}  // namespace moiety

#endif  // MOIETY_TRAIN_ADAMW_H_
