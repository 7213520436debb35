// Tape: what a forward pass leaves behind for the way back (reverse-mode differentiation; Griewank,
// Walther 2008, chapter 3). Operations of ops/, moe/ and routing/ that run in an Exec with a tape
// record a step beside what they compute; Backward() runs the steps from the last to the first.
//
// A step reads the gradients of what its operation produced and adds to those of what it used. Each
// value is written once while a tape records: operations that otherwise take the memory of what
// they consume make a value of their own (Exec::Consume).
#ifndef MOIETY_OPS_TAPE_H_
#define MOIETY_OPS_TAPE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "base/memory_budget.h"
#include "moiety/status.h"
#include "tensor/matrix.h"
#include "tensor/weight.h"

namespace moiety {

// What training adds to a pass, and what its random numbers are functions of (RandomField).
struct TrainingNoise {
  uint64_t seed = 0;
  int64_t step = 0;
  int64_t first_sequence = 0;  // number within the batch of the pass's sequence 0
  float router_jitter = 0;     // inputs of routers times 1 ± this (Fedus et al. 2022, section 2.4)
  float expert_dropout = 0;    // share of the activations within experts that are 0
};

class Tape {
 public:
  explicit Tape(MemoryBudget& budget) : arena_(budget) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // The gradient of this weight is to be added to `sum`, one f32 per element, which outlives the
  // tape. Weights without one are constants.
  void Train(WeightRef weight, float* sum) { weights_[weight.operator->()] = sum; }
  // Where that is; null for a constant or a null weight.
  float* Gradient(WeightRef weight) const;

  // Makes a value known; Exec does so for each of its matrices. It overlaps none that is known: the
  // memory of values is not used again before they are forgotten.
  void AddValue(const Matrix& value);

  // The gradient of the loss with respect to a value or to some whole rows of one: zeros until
  // something is added. Null data if memory is at an end; see status().
  Matrix Gradient(const Matrix& value);
  // The same, or null data if nothing has been added to the value's gradient: then what made the
  // value has nothing to do.
  Matrix ReceivedGradient(const Matrix& value);
  // What produced the value has read its gradient, which nobody needs any more. Rows of a value may
  // be produced, and so released, by several steps.
  void Release(const Matrix& value);

  void set_noise(const TrainingNoise& noise) { noise_ = noise; }
  const TrainingNoise& noise() const { return noise_; }

  // [rows of the batch] what the loss of each row is above the mean of those with a target, times
  // the share of a row in the loss of the batch, 0 without a target: what choices that were drawn
  // are judged by (Williams 1992). Known when the way back begins, where a loss has told; empty
  // otherwise.
  std::vector<float>& row_advantages() { return row_advantages_; }

  void Record(std::function<void()> step) { steps_.push_back(std::move(step)); }

  // The steps and values from here on; see BackwardTo.
  struct Mark {
    size_t steps = 0;
    size_t values = 0;
  };
  Mark mark() const { return {steps_.size(), order_.size()}; }
  // Runs the steps since `mark` backwards; then forgets them and the values since. What they add to
  // the gradients of earlier values stays.
  void BackwardTo(Mark mark);
  // All of it; then forgets all values, and the memory of gradients can be used again.
  Status Backward();

  const Status& status() const { return status_; }
  void Fail(const Status& status) {
    if (status_.ok()) status_ = status;
  }

 private:
  struct Value {
    int64_t size;
    int64_t unreleased;  // of these elements
    float* gradient;     // [size] or null
  };
  using Values = std::map<const float*, Value>;
  Values::iterator Find(const Matrix& value);

  Arena arena_;
  Status status_;
  TrainingNoise noise_;
  std::vector<float> row_advantages_;
  Values values_;
  std::vector<const float*> order_;      // in which values were added
  std::multimap<int64_t, float*> free_;  // gradients that were released, by size
  std::unordered_map<const Weight*, float*> weights_;
  std::vector<std::function<void()>> steps_;
};

}  // namespace moiety

#endif  // MOIETY_OPS_TAPE_H_
