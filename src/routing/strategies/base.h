// Balanced assignment for the router "base".
#ifndef MOIETY_ROUTING_STRATEGIES_BASE_H_
#define MOIETY_ROUTING_STRATEGIES_BASE_H_

#include <cstdint>
#include <vector>

#include "tensor/matrix.h"

namespace moiety {

// An expert for each token such that no two loads differ by more than 1 and the sum of values is
// the largest that there is, values being rounded to 2^-24 of the largest difference within a row
// (coarser from some 2^26 / num_experts tokens on): the auction of Bertsekas 1992, "Auction
// algorithms for network flow problems", with as many places at an expert as it may take.
//   values [num_tokens, num_experts], finite → [num_tokens]
std::vector<int32_t> AssignEvenly(const Matrix& values);

}  // namespace moiety

#endif  // MOIETY_ROUTING_STRATEGIES_BASE_H_
