// The MoE layer: route, dispatch, run the experts, combine (Shazeer et al. 2017).
#ifndef MOIETY_MOE_MOE_LAYER_H_
#define MOIETY_MOE_MOE_LAYER_H_

#include <memory>
#include <span>
#include <vector>

#include "moe/feed_forward.h"
#include "ops/batch.h"
#include "ops/exec.h"
#include "routing/router.h"
#include "tensor/matrix.h"
#include "tensor/weight.h"

namespace moiety {

struct MoeLayer {
  WeightRef gate;  // the router's matrix [num_experts, d_model]
  std::shared_ptr<const Router> router;
  std::vector<FeedForward> experts;
};

// y[t] = Σ_{e chosen by t} weight(t, e) · expert_e(x[t]), added in selection order.
//   x [num_tokens, d_model] → [num_tokens, d_model]
// `segments` says which rows belong to which sequence, `layer` numbers the layer for the observer.
// A token without a choice gets zeros.
Matrix RunMoeLayer(Exec& exec, const Matrix& x, std::span<const Segment> segments,
                   const MoeLayer& moe, int64_t layer);

}  // namespace moiety

#endif  // MOIETY_MOE_MOE_LAYER_H_
