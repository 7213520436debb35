// ScoreShares: the scores of a call's tokens made to sum to 1, and the way back to them: what
// losses of entropies and likenesses are made of.
#ifndef MOIETY_ROUTING_SCORE_SHARES_H_
#define MOIETY_ROUTING_SCORE_SHARES_H_

#include <cstdint>
#include <vector>

#include "ops/exec.h"
#include "routing/router.h"

namespace moiety {

// Memory of the Exec's scope.
struct ScoreShares {
  int64_t num_scored = 0;    // tokens whose scores are shares (SumOfShares)
  double* shares = nullptr;  // [num_tokens, num_experts], zeros for the other tokens
  double* sums = nullptr;    // [num_tokens] of the scores; 0 for the other tokens
};
// Nothing is scored where the router has no scores or the Exec has failed.
ScoreShares SharesOf(Exec& exec, const RouterOutput& call);

// With a tape: d scores += scale · slope(t, slopes) taken back through the division by their sum,
// where slope fills slopes [num_experts] with what the shares of token t have. It runs on any
// thread, for the tokens that are scored.
template <class Slope>
void AddShareGradients(Exec& exec, const RouterOutput& call, const ScoreShares& of, double scale,
                       const Slope& slope) {
  if (exec.tape() == nullptr || !exec.ok()) return;
  const Matrix gradient = exec.tape()->Gradient(call.scores);
  if (gradient.data == nullptr) {
    exec.Fail(exec.tape()->status());
    return;
  }
  exec.pool().ParallelFor(call.num_tokens, [&](int64_t t) {
    if (of.sums[t] == 0) return;
    thread_local std::vector<double> slopes;
    slopes.assign(static_cast<size_t>(call.num_experts), 0);
    slope(t, slopes.data());
    const double* const share = of.shares + t * call.num_experts;
    double inner = 0;
    for (int64_t e = 0; e < call.num_experts; ++e)
      inner += share[e] * slopes[static_cast<size_t>(e)];
    for (int64_t e = 0; e < call.num_experts; ++e) {
      gradient.Row(t)[e] +=
          static_cast<float>(scale * (slopes[static_cast<size_t>(e)] - inner) / of.sums[t]);
    }
  });
}

}  // namespace moiety

#endif  // MOIETY_ROUTING_SCORE_SHARES_H_
