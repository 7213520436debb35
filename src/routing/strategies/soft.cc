// "soft": every expert sees every token, and the gate mixes what they say.
//
//   weight_e = softmax(x · gateᵀ)_e for all e
//
// Jacobs et al. 1991, "Adaptive mixtures of local experts", equation 1.2. What sparse strategies
// are measured against: no choice is lost, at the cost of all experts.
#include "base/format.h"
#include "routing/strategies/strategies.h"

namespace moiety {

Result<std::unique_ptr<const Router>> MakeSoftRouter(const RouterOptions& options,
                                                     int64_t d_model) {
  if (options.top_k != options.num_experts) {
    return InvalidArgument(
        Format("router soft: top_k must be the number of experts ({}), found {}: it uses them all",
               options.num_experts, options.top_k));
  }
  RouterOptions all = options;
  all.renormalize = false;  // they sum to one
  all.capacity_factor = 0;
  return MakeTopKRouter(all, d_model);
}

}  // namespace moiety
