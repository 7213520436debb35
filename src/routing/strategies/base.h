// Balanced assignment for the router "base".
#ifndef MOIETY_ROUTING_STRATEGIES_BASE_H_
#define MOIETY_ROUTING_STRATEGIES_BASE_H_

#include <cstdint>
#include <vector>

#include "tensor/matrix.h"

namespace moiety {

// An expert for each token such that no two loads differ by more than 1 and the sum of values is
// the largest that there is, but for at most num_tokens · tolerance · (largest - smallest value):
// the auction of Bertsekas 1992, "Auction algorithms for network flow problems", with as many
// places at an expert as it may take. Which experts take one more than others, where tokens do not
// divide by experts: those with the largest sums of values.
//   values [num_tokens, num_experts], finite → [num_tokens]
std::vector<int32_t> AssignEvenly(const Matrix& values, double tolerance = 1e-3);

}  // namespace moiety

#endif  // MOIETY_ROUTING_STRATEGIES_BASE_H_
