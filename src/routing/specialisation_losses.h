// Losses that make experts differ: sure gates, and gates that tell tokens apart.
//
// Over the tokens of one call of one layer's router whose scores are shares of them (SumOfShares):
// p_t are the scores of token t divided by their sum. 0 without such tokens. A loss counts `scale`
// times: with a tape, that much of its gradient is added to that of call.scores.
#ifndef MOIETY_ROUTING_SPECIALISATION_LOSSES_H_
#define MOIETY_ROUTING_SPECIALISATION_LOSSES_H_

#include <span>

#include "ops/batch.h"
#include "ops/exec.h"
#include "routing/router.h"

namespace moiety {

// mean_t H(p_t), H(p) = -Σ_e p_e ln p_e: 0 where each token is sure of one expert, ln num_experts
// where no gate says anything.
double EntropyLoss(Exec& exec, const RouterOutput& call, float scale);

// -I(expert; token) = mean_t H(p_t) - H(mean_t p_t) (Shen et al. 2023, "ModuleFormer", the loss
// of mutual information; between experts and tasks: Chen et al. 2023, "Mod-Squad"). -ln num_experts
// where each token is sure of one expert and all experts have as many; 0 where all tokens get the
// same gate, be it sure or not. Small values mean sure gates and even loads at once.
double MutualInformationLoss(Exec& exec, const RouterOutput& call, float scale);

// Tokens that are alike to the same experts, others to different ones (Krishnamurthy et al. 2023,
// "Improving expert specialization in mixture of experts", the sample similarity regularisation
// with equal coefficients for both parts), with E experts and over pairs of tokens of a sequence:
//
//   mean_{t,u} D(x_t, x_u) · ( Σ_e p_te p_ue / E - Σ_{e≠f} p_te p_uf / (E² - E) )
//
// The first part makes distant tokens leave a common expert, the second keeps only distant ones
// apart. The inputs x count as constants. The paper's distance is that of raw inputs over the
// largest of the batch; here D = (1 - cosine) / 2, which also lies in [0, 1]: inputs of routers are
// normed, so that their lengths say little and differ from layer to layer. 0 where gates say
// nothing, or with one expert; at least -max D / (E² - E).
//
// The mean is over pairs of a sequence, then over sequences by their tokens. Cosines make the sums
// over pairs squares of sums over tokens, so it takes O(num_tokens · d_model · num_experts).
//   call.x [num_tokens, d_model]; sequences: ascending and together all rows
double SimilarityLoss(Exec& exec, const RouterOutput& call, std::span<const Segment> sequences,
                      float scale);

}  // namespace moiety

#endif  // MOIETY_ROUTING_SPECIALISATION_LOSSES_H_
