// Weights of choices: from the scores of all experts to those of the chosen ones. What routers are
// made of; each step has its way back.
#ifndef MOIETY_ROUTING_CHOICES_H_
#define MOIETY_ROUTING_CHOICES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "ops/exec.h"
#include "routing/router.h"
#include "tensor/matrix.h"

namespace moiety {

// Appends to out.routed the k experts of each row with the largest keys, best first; ties go to the
// lower id. Any NaN counts as the lowest.
//   keys [num_tokens, num_experts], k ≤ num_experts
void ChooseTop(const Matrix& keys, int64_t k, RouterOutput& out);

// Sets the keys of experts in closed groups to -infinity. Experts are options.groups groups side by
// side, of which each token has the options.groups_per_token best open: those with the largest sum
// of their `best` largest keys.
void CloseGroups(const Matrix& keys, const RouterOptions& options, int64_t best);

// Which choices of `out` find room: an expert takes ⌈factor · top_k · length / num_experts⌉ of a
// sequence's, first come, first served in token order, so that no token depends on a later one
// (Lepikhin et al. 2020, "GShard", algorithm 1, has a sequence's tokens in groups). Returns their
// positions in out.routed and notes the demand; all of them with factor 0.
// A sequence's length is that of its rows in the call.
std::vector<int32_t> ChoicesWithRoom(const RouterInput& input, double factor, int64_t top_k,
                                     RouterOutput& out);

// The sequences of a call: its segments, or all rows as one if there are none.
std::vector<Segment> Sequences(const RouterInput& input, int64_t num_tokens);

// weights[i] = scores[routed[i].token, routed[i].expert].
//   scores [num_tokens, num_experts] → [choices, 1]
Matrix TakeChoices(Exec& exec, const Matrix& scores, std::span<const RoutedToken> routed);

// Divided by (their sum over the choices of a token, plus eps). Choices stand by token.
//   weights [choices, 1] → [choices, 1]
Matrix NormalizeChoices(Exec& exec, const Matrix& weights, std::span<const RoutedToken> routed,
                        float eps = 0);

// Writes `weights` into the choices of `out`.
void SetWeights(Exec& exec, const Matrix& weights, RouterOutput& out);

// Leaves only these choices (ascending positions in out.routed) and their rows of `weights`.
void KeepChoices(Exec& exec, const std::vector<int32_t>& kept, Matrix& weights, RouterOutput& out);

// The end of most strategies: weights of the choices in out.routed are their scores (out.scores),
// renormalised as the options say (`eps` as in NormalizeChoices, for scores that may all be 0),
// then times `scale`; while training, choices beyond the capacity are dropped after that, so the
// others keep their weights.
void WeighChoices(Exec& exec, const RouterInput& input, const RouterOptions& options,
                  RouterOutput& out, float scale = 1, float eps = 0);

}  // namespace moiety

#endif  // MOIETY_ROUTING_CHOICES_H_
