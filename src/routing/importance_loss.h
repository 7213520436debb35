// Losses that are small when all experts get as much (Shazeer et al. 2017, "Outrageously large
// neural networks"), each the squared coefficient of variation of what they get: 0 when balanced,
// num_experts - 1 when one gets all.
//
// Over the tokens of one call of one layer's router; 0 without tokens. A loss counts `scale` times:
// with a tape, that much of its gradient is added to those of the values it is computed from.
#ifndef MOIETY_ROUTING_IMPORTANCE_LOSS_H_
#define MOIETY_ROUTING_IMPORTANCE_LOSS_H_

#include "ops/exec.h"
#include "routing/router.h"

namespace moiety {

// CV²(Importance), Importance_e = Σ_t weight_te over the tokens that e computes (equations 6 and
// 7). The gradient goes to call.weights.
double ImportanceLoss(Exec& exec, const RouterOutput& call, float scale);

// CV²(Load), Load_e = Σ_t P_te with P_te the probability that e is among the k experts of token t
// if its noise, and nothing else, were drawn again (appendix A):
//
//   P_te = Φ((logits_te - kth_excluding(noisy_logits_t, k, e)) / deviation_te)
//
// kth_excluding(v, k, e) being the k-th largest of v without v_e: choices that are counted get a
// gradient. It goes to call.logits, noisy_logits (of the k-th) and deviation. k is the choices of a
// token before some were dropped. Where the deviation is 0, P is 0 or 1 and has no slope. 0 for
// calls without noisy_logits.
double LoadLoss(Exec& exec, const RouterOutput& call, float scale);

}  // namespace moiety

#endif  // MOIETY_ROUTING_IMPORTANCE_LOSS_H_
