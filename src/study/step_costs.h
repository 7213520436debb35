// StepCosts: the least that forward steps have to read and to compute, whatever computes them.
#ifndef MOIETY_STUDY_STEP_COSTS_H_
#define MOIETY_STUDY_STEP_COSTS_H_

#include <cstdint>
#include <vector>

#include "models/model.h"
#include "ops/observer.h"
#include "ops/state.h"
#include "store/weight_store.h"

namespace moiety {

struct StepCosts {
  int64_t num_steps = 0;
  int64_t num_rows = 0;
  uint64_t weight_bytes = 0;  // each weight that a step uses, once per step
  uint64_t kv_bytes = 0;      // keys and values that a step's rows see, once per step and sequence
  // Two per multiply-add of the matrix products and of attention; nothing else is counted.
  uint64_t flops = 0;
  uint64_t experts_used = 0;  // over steps and layers: different experts that a row chose

  uint64_t bytes() const { return weight_bytes + kv_bytes; }
};

// Counts the steps it observes. Experts count when a row chose them: their weights once for all the
// rows of the step, their products per choice.
class StepCostCounter : public Observer {
 public:
  // All are used while it counts and must outlive it.
  StepCostCounter(const ModelInfo& info, const WeightStore& store, const StateLayout& layout);

  void OnStep(const Batch& batch) override;
  void OnRoute(int64_t layer, const RouterOutput& routed) override;

  const StepCosts& costs() const { return costs_; }

 private:
  struct Cost {
    uint64_t bytes = 0;
    uint64_t flops = 0;  // for one row
    void Add(const Weight& weight);
  };
  void CountAttention(const Batch& batch);

  const ModelInfo& info_;
  const StateLayout& layout_;
  Cost every_row_;                          // attention, dense layers, routers, norms
  Cost logit_row_;                          // the head
  Cost embedding_;                          // its bytes are those of one row
  std::vector<std::vector<Cost>> experts_;  // [layer][expert]
  std::vector<bool> chosen_;                // of the layer being counted
  StepCosts costs_;
};

}  // namespace moiety

#endif  // MOIETY_STUDY_STEP_COSTS_H_
