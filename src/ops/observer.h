// Observer: looks at the hand-overs between stages. Costs nothing when there is none.
#ifndef MOIETY_OPS_OBSERVER_H_
#define MOIETY_OPS_OBSERVER_H_

#include <cstdint>

#include "tensor/matrix.h"
#include "tensor/weight.h"

namespace moiety {

struct RouterOutput;  // routing/router.h
struct Batch;         // ops/batch.h

// Called on the thread that drives the step, in the order of the computation. Views are valid
// during the call only.
class Observer {
 public:
  virtual ~Observer() = default;
  // The rows of the step that begins; everything until the next OnStep belongs to
  // them. The step may still fail.
  virtual void OnStep(const Batch& batch) { (void)batch; }
  // A MoE layer's choices, before its experts run.
  virtual void OnRoute(int64_t layer, const RouterOutput& routed) {
    (void)layer;
    (void)routed;
  }
  // The rows x [rows, d_in] that a weight matrix [d_out, d_in] is about to be multiplied with.
  virtual void OnLinear(const Matrix& x, WeightRef w) {
    (void)x;
    (void)w;
  }
};

}  // namespace moiety

#endif  // MOIETY_OPS_OBSERVER_H_
