// Router metrics: how evenly and how surely tokens were sent to experts.
#ifndef MOIETY_ROUTING_ROUTER_METRICS_H_
#define MOIETY_ROUTING_ROUTER_METRICS_H_

#include <cstdint>
#include <vector>

#include "routing/load_measures.h"
#include "routing/router.h"

namespace moiety {

// Over the tokens of one or more calls of one layer's router.
struct RouterMetrics {
  int64_t num_tokens = 0;
  int64_t dropped = 0;        // tokens without any choice
  std::vector<int64_t> load;  // [num_experts] choices that each expert got
  int64_t num_scored = 0;     // tokens whose scores are shares (SumOfShares)
  double score_entropy = 0;   // sum over those of the entropy of their scores

  void Add(const RouterOutput& routed);

  double Cv() const { return LoadCv(load); }
  double MaxViolation() const { return moiety::MaxViolation(load); }
  double ExpertEntropy() const { return Entropy(load); }
  // Mean over the tokens that have one; NaN without any.
  double GateEntropy() const;
};

}  // namespace moiety

#endif  // MOIETY_ROUTING_ROUTER_METRICS_H_
