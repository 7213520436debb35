// GradientTree: the sum of many gradients as a tree whose shape depends on their number alone, so
// that parts of it can be summed apart, by other ranks, and give the same bits.
#ifndef MOIETY_TRAIN_GRADIENT_TREE_H_
#define MOIETY_TRAIN_GRADIENT_TREE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/memory_budget.h"
#include "base/parallel.h"
#include "moiety/status.h"

namespace moiety {

// Leaves are added in their order; neighbours are summed first, then neighbouring sums. Of n leaves
// log2(n) sums wait at most.
class GradientTree {
 public:
  GradientTree(ThreadPool& pool, MemoryBudget& budget) : pool_(pool), budget_(budget) {}

  // Takes the next leaf; `gradient` is zeros afterwards.
  Status Add(std::span<float> gradient);
  // Writes the sum of all leaves to `gradient`, and starts anew.
  void Finish(std::span<float> gradient);

 private:
  struct Level {
    std::unique_ptr<float[]> sum;
    MemoryBudget::Reservation reservation;
    bool used = false;
  };
  // to += from
  void AddTo(std::span<const float> from, std::span<float> to);

  ThreadPool& pool_;
  MemoryBudget& budget_;
  std::vector<Level> levels_;  // level i waits with the sum of 2^i leaves
};

}  // namespace moiety

#endif  // MOIETY_TRAIN_GRADIENT_TREE_H_
