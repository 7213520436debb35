#include "routing/router_metrics.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>

namespace moiety {

void RouterMetrics::Add(const RouterOutput& routed) {
  num_tokens += routed.num_tokens;
  load.resize(static_cast<size_t>(routed.num_experts));
  std::vector<bool> chosen(static_cast<size_t>(routed.num_tokens));
  for (const RoutedToken& choice : routed.routed) {
    ++load[static_cast<size_t>(choice.expert)];
    chosen[static_cast<size_t>(choice.token)] = true;
  }
  dropped += std::count(chosen.begin(), chosen.end(), false);
  if (routed.scores.data == nullptr) return;
  for (int64_t t = 0; t < routed.num_tokens; ++t) {
    const std::optional<double> entropy =
        EntropyOfScores({routed.scores.Row(t), static_cast<size_t>(routed.num_experts)});
    if (!entropy.has_value()) continue;
    score_entropy += *entropy;
    ++num_scored;
  }
}

double RouterMetrics::GateEntropy() const {
  return num_scored == 0 ? std::numeric_limits<double>::quiet_NaN()
                         : score_entropy / static_cast<double>(num_scored);
}

}  // namespace moiety
