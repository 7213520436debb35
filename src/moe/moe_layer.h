// The MoE layer: route, dispatch, run the experts, combine (Shazeer et al. 2017).
#ifndef MOIETY_MOE_MOE_LAYER_H_
#define MOIETY_MOE_MOE_LAYER_H_

#include <memory>
#include <optional>
#include <vector>

#include "moe/feed_forward.h"
#include "ops/batch.h"
#include "ops/exec.h"
#include "routing/router.h"
#include "store/expert_source.h"
#include "tensor/matrix.h"
#include "tensor/weight.h"

namespace moiety {

// An expert that every token has beside those it chooses (Rajbhandari et al. 2022; DeepSeekMoE).
struct SharedExpert {
  FeedForward ffn;
  WeightRef gate;  // [1, d_model]: its share is σ(gate · x); null: all of it
};

struct MoeLayer {
  WeightRef gate;  // the router's matrix [gate_rows, d_model]; null if it has none
  std::shared_ptr<const Router> router;
  std::vector<WeightRef> router_weights = {};  // as Router::weights() lists them
  std::vector<FeedForward> experts;
  std::optional<SharedExpert> shared;
  ExpertSource* source = nullptr;  // where the experts come from; null: they are in memory
};

// y[t] = Σ_{e chosen by t} weight(t, e) · expert_e(x[t]), added in selection order, and then the
// shared expert's share.
//   x [num_tokens, d_model] → [num_tokens, d_model]
// `batch` says which rows are which tokens, `layer` numbers the layer for the observer. A token
// without a choice gets zeros, and the share.
Matrix RunMoeLayer(Exec& exec, const Matrix& x, const Batch& batch, const MoeLayer& moe,
                   int64_t layer);

}  // namespace moiety

#endif  // MOIETY_MOE_MOE_LAYER_H_
