#include "study/expert_stats.h"

#include <algorithm>
#include <cmath>

#include "routing/router.h"

namespace moiety {

void ExpertStats::OnRoute(int64_t layer, const RouterOutput& routed) {
  auto at = std::lower_bound(layers_.begin(), layers_.end(), layer,
                             [](const Layer& l, int64_t number) { return l.layer < number; });
  if (at == layers_.end() || at->layer != layer)
    at = layers_.insert(at, {.layer = layer, .load = {}});
  at->load.resize(static_cast<size_t>(routed.num_experts));
  for (const RoutedToken& choice : routed.routed) ++at->load[static_cast<size_t>(choice.expert)];
  at->total += static_cast<int64_t>(routed.routed.size());
}

double ExpertStats::Layer::load_cv() const {
  if (total == 0) return 0;
  const double mean = static_cast<double>(total) / static_cast<double>(load.size());
  double variance = 0;
  for (const int64_t n : load)
    variance += (static_cast<double>(n) - mean) * (static_cast<double>(n) - mean);
  return std::sqrt(variance / static_cast<double>(load.size())) / mean;
}

double ExpertStats::Layer::balance() const {
  if (load.size() < 2 || total == 0) return 1;
  double entropy = 0;
  for (size_t e = 0; e < load.size(); ++e) {
    const double p = share(static_cast<int64_t>(e));
    if (p > 0) entropy -= p * std::log(p);
  }
  return entropy / std::log(static_cast<double>(load.size()));
}

}  // namespace moiety
