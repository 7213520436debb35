// "switch": each token takes the most probable expert, whose output is multiplied by that
// probability; while training, an expert takes a limited share of a sequence's tokens, and the
// others pass by the layer through the residual stream.
//
//   p = softmax(x · gateᵀ), e = argmax p, weight_e = p_e, capacity = ⌈factor · tokens / experts⌉
//
// Fedus et al. 2022, "Switch transformers", equations 1 to 3.
#include "base/format.h"
#include "routing/strategies/strategies.h"

namespace moiety {

Result<std::unique_ptr<const Router>> MakeSwitchRouter(const RouterOptions& options,
                                                       int64_t d_model) {
  if (options.top_k != 1) {
    return InvalidArgument(Format(
        "router switch: top_k must be 1, found {}: a token goes to one expert", options.top_k));
  }
  RouterOptions switched = options;
  switched.renormalize = false;  // the weight is how the gate learns
  return MakeTopKRouter(switched, d_model);
}

}  // namespace moiety
