#include "routing/router_recorder.h"

#include <algorithm>
#include <cstddef>

#include "routing/router.h"

namespace moiety {

void RouterRecorder::OnRoute(int64_t layer, const RouterOutput& routed) {
  auto at = std::find_if(layers_.begin(), layers_.end(),
                         [&](const LayerRouting& l) { return l.layer == layer; });
  if (at == layers_.end()) {
    at = layers_.emplace(at);
    at->layer = layer;
    at->num_experts = routed.num_experts;
    at->top_k = top_k_;
  }
  at->num_tokens += routed.num_tokens;
  at->logits.insert(at->logits.end(), routed.logits.data,
                    routed.logits.data + routed.logits.size());
  const size_t first = at->experts.size();
  at->experts.resize(first + static_cast<size_t>(routed.num_tokens * top_k_), -1);
  at->weights.resize(at->experts.size(), 0);
  std::vector<int64_t> used(static_cast<size_t>(routed.num_tokens), 0);
  for (const RoutedToken& choice : routed.routed) {
    int64_t& k = used[static_cast<size_t>(choice.token)];
    if (k == top_k_) continue;
    const size_t slot = first + static_cast<size_t>(choice.token * top_k_ + k++);
    at->experts[slot] = choice.expert;
    at->weights[slot] = choice.weight;
  }
}

}  // namespace moiety
