#include "study/expert_stats.h"

#include <algorithm>
#include <cmath>

#include "routing/load_measures.h"
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

double ExpertStats::Layer::load_cv() const { return LoadCv(load); }

double ExpertStats::Layer::balance() const {
  if (load.size() < 2 || total == 0) return 1;
  return Entropy(load) / std::log(static_cast<double>(load.size()));
}

}  // namespace moiety
