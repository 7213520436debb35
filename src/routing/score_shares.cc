#include "routing/score_shares.h"

#include <cstddef>

#include "routing/load_measures.h"

namespace moiety {

ScoreShares SharesOf(Exec& exec, const RouterOutput& call) {
  if (call.num_tokens == 0 || call.scores.data == nullptr) return {};
  const int64_t experts = call.num_experts;
  ScoreShares of;
  of.shares = exec.Allocate<double>(call.num_tokens * experts);
  of.sums = exec.Allocate<double>(call.num_tokens);
  if (!exec.ok()) return {};
  exec.pool().ParallelFor(call.num_tokens, [&](int64_t t) {
    const float* const scores = call.scores.Row(t);
    const double sum = SumOfShares({scores, static_cast<size_t>(experts)});
    of.sums[t] = sum;
    for (int64_t e = 0; e < experts; ++e) {
      of.shares[t * experts + e] = sum == 0 ? 0 : static_cast<double>(scores[e]) / sum;
    }
  });
  for (int64_t t = 0; t < call.num_tokens; ++t) of.num_scored += of.sums[t] == 0 ? 0 : 1;
  return of;
}

}  // namespace moiety
