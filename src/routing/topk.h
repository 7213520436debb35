// "topk": each token takes the k experts with the largest softmax probability.
//
//   p = softmax(x · gateᵀ), S = the k largest, weight_e = p_e / Σ_{S} p   (renormalised, Mixtral)
//                                              or        p_e              (not renormalised)
//
// Shazeer et al. 2017, "Outrageously large neural networks", eq. 3 and 5 without the noise; Jiang
// et al. 2024, "Mixtral of Experts", section 2.1.
#ifndef MOIETY_ROUTING_TOPK_H_
#define MOIETY_ROUTING_TOPK_H_

#include "routing/router.h"

namespace moiety {

Result<std::unique_ptr<const Router>> MakeTopKRouter(const RouterOptions& options);

}  // namespace moiety

#endif  // MOIETY_ROUTING_TOPK_H_
