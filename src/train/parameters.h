// Parameters: the weights of a model that training changes, each with its gradient.
#ifndef MOIETY_TRAIN_PARAMETERS_H_
#define MOIETY_TRAIN_PARAMETERS_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/memory_budget.h"
#include "moiety/status.h"
#include "ops/tape.h"
#include "store/weight_store.h"
#include "tensor/shape.h"
#include "tensor/weight.h"

namespace moiety {

struct Parameter {
  std::string name;  // as in checkpoints
  WeightKind kind = WeightKind::kEmbedding;
  Shape shape;
  std::span<float> values;    // memory of the store
  std::span<float> gradient;  // a part of Parameters::gradients()
  float offset = 0;           // what checkpoints leave out of each value (Weight::offset)
};

// One entry per tensor, tied weights once, in the order of their declaration; gradients lie side by
// side in that order.
class Parameters {
 public:
  // All weights of a store that can be changed (WeightStore::Values), which must outlive this.
  static Result<Parameters> Of(WeightStore& store, MemoryBudget& budget);

  std::span<Parameter> all() { return parameters_; }
  std::span<const Parameter> all() const { return parameters_; }
  std::span<float> gradients() { return {gradients_.get(), num_values_}; }
  size_t num_values() const { return num_values_; }

  // Lets the tape add to the gradients.
  void Train(Tape& tape) const;

 private:
  struct Use {
    WeightRef weight;
    size_t parameter;
  };
  std::vector<Parameter> parameters_;
  std::vector<Use> uses_;
  std::unique_ptr<float[]> gradients_;
  size_t num_values_ = 0;
  MemoryBudget::Reservation reservation_;
};

}  // namespace moiety

#endif  // MOIETY_TRAIN_PARAMETERS_H_
