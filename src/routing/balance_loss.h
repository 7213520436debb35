// The balancing loss: small when experts have equal load and equal probability.
#ifndef MOIETY_ROUTING_BALANCE_LOSS_H_
#define MOIETY_ROUTING_BALANCE_LOSS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "ops/exec.h"
#include "routing/router.h"

namespace moiety {

// [num_experts] tokens that chose each expert, before some were dropped.
std::vector<int64_t> Demand(const RouterOutput& routed);

// num_experts · Σ_e f_e · p_e over all tokens of the calls together (Lepikhin et al. 2020,
// "GShard", section 2.2; Fedus et al. 2022, "Switch transformers", equation 4): f_e is the choices
// of expert e per token, p_e the mean of its scores. top_k when balanced. One call gives the
// papers' loss of a layer; all layers' calls that of transformers.
//
// The loss counts `scale` times: with a tape, d scores[t, e] += scale · num_experts · f_e / tokens.
// The calls have the same experts; those without scores are left out. 0 without tokens.
double BalanceLoss(Exec& exec, std::span<const RouterOutput> calls, float scale);

}  // namespace moiety

#endif  // MOIETY_ROUTING_BALANCE_LOSS_H_
