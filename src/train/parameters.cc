#include "train/parameters.h"

#include <algorithm>
#include <map>
#include <new>
#include <utility>

#include "base/format.h"

namespace moiety {

Result<Parameters> Parameters::Of(WeightStore& store, MemoryBudget& budget) {
  Parameters p;
  std::map<std::string, size_t> by_name;
  for (const Weight& weight : store.weights()) {
    const auto [it, first] = by_name.emplace(weight.name, p.parameters_.size());
    const WeightRef ref(&weight);
    if (first) {
      const std::span<float> values = store.Values(ref);
      p.parameters_.push_back(
          {weight.name, weight.group.kind, weight.shape, values, {}, weight.offset});
      p.num_values_ += values.size();
    }
    p.uses_.push_back({ref, it->second});
  }
  const size_t bytes = p.num_values_ * sizeof(float);
  MOIETY_ASSIGN_OR_RETURN(p.reservation_, budget.Reserve(MemoryUse::kBuffers, bytes));
  p.gradients_.reset(new (std::nothrow) float[p.num_values_]());
  if (p.gradients_ == nullptr) {
    return ResourceExhausted(Format("out of memory: no {} for gradients", FormatBytes(bytes)));
  }
  float* next = p.gradients_.get();
  for (Parameter& parameter : p.parameters_) {
    parameter.gradient = {next, parameter.values.size()};
    next += parameter.values.size();
  }
  return p;
}

void Parameters::Train(Tape& tape) const {
  for (const Use& use : uses_) {
    tape.Train(use.weight, parameters_[use.parameter].gradient.data());
  }
}

}  // namespace moiety
