// A table of experts for the router "hash".
#ifndef MOIETY_ROUTING_STRATEGIES_HASH_H_
#define MOIETY_ROUTING_STRATEGIES_HASH_H_

#include <cstdint>
#include <span>
#include <vector>

namespace moiety {

// Balanced assignment of Roller et al. 2021, section 3.1: tokens, the most frequent first, go to
// the top_k experts with the fewest so far; of equals to the lower id.
//   counts [vocab_size] how often each token occurs → [vocab_size, top_k] experts of each
std::vector<int32_t> BalancedHashTable(std::span<const int64_t> counts, int64_t num_experts,
                                       int64_t top_k);

}  // namespace moiety

#endif  // MOIETY_ROUTING_STRATEGIES_HASH_H_
