// Router metrics: how evenly and how surely tokens were sent to experts.
#ifndef MOIETY_ROUTING_ROUTER_METRICS_H_
#define MOIETY_ROUTING_ROUTER_METRICS_H_

#include <cstdint>
#include <vector>

#include "routing/router.h"

namespace moiety {

// Over the tokens of one or more calls of one layer's router.
struct RouterMetrics {
  int64_t num_tokens = 0;
  int64_t dropped = 0;        // tokens without any choice
  std::vector<int64_t> load;  // [num_experts] choices that each expert got
  double score_entropy = 0;   // sum over tokens of the entropy of their scores, in nats

  void Add(const RouterOutput& routed);

  // Standard deviation of the load over its mean; 0 when balanced.
  double Cv() const;
  // Largest load over the mean load, minus 1 (Wang et al. 2024, "Auxiliary-loss-free load
  // balancing", MaxVio); 0 when balanced.
  double MaxViolation() const;
  // Mean entropy of a token's scores, made to sum to 1: 0 for a sure gate.
  double GateEntropy() const;
  // Entropy of the load: log(num_experts) when balanced.
  double ExpertEntropy() const;
};

}  // namespace moiety

#endif  // MOIETY_ROUTING_ROUTER_METRICS_H_
