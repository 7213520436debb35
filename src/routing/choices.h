// Weights of choices: from the scores of all experts to those of the chosen ones. What routers are
// made of; each step has its way back.
#ifndef MOIETY_ROUTING_CHOICES_H_
#define MOIETY_ROUTING_CHOICES_H_

#include <span>

#include "ops/exec.h"
#include "routing/router.h"
#include "tensor/matrix.h"

namespace moiety {

// weights[i] = scores[routed[i].token, routed[i].expert].
//   scores [num_tokens, num_experts] → [choices, 1]
Matrix TakeChoices(Exec& exec, const Matrix& scores, std::span<const RoutedToken> routed);

// Divided by (their sum over the choices of a token, plus eps). Choices stand by token.
//   weights [choices, 1] → [choices, 1]
Matrix NormalizeChoices(Exec& exec, const Matrix& weights, std::span<const RoutedToken> routed,
                        float eps = 0);

// Writes `weights` into the choices of `out`.
void SetWeights(Exec& exec, const Matrix& weights, RouterOutput& out);

}  // namespace moiety

#endif  // MOIETY_ROUTING_CHOICES_H_
