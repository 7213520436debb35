// DispatchPlan: the choices of a router, turned around to be indexed by expert.
#ifndef MOIETY_MOE_DISPATCH_PLAN_H_
#define MOIETY_MOE_DISPATCH_PLAN_H_

#include <cstdint>
#include <span>
#include <vector>

#include "moiety/status.h"
#include "routing/router.h"

namespace moiety {

// Rows gathered per expert ("packed rows") are numbered 0 … num_routed - 1, expert after expert.
struct DispatchPlan {
  std::vector<int64_t>
      begin;  // [num_experts + 1]  expert e has packed rows begin[e] .. begin[e + 1)
  std::vector<int32_t> rows;  // [num_routed]       source token of each packed row
  std::vector<int64_t>
      packed;  // [num_routed]       packed row of each choice, in the router's order

  int64_t num_experts() const { return static_cast<int64_t>(begin.size()) - 1; }
  int64_t num_routed() const { return static_cast<int64_t>(rows.size()); }
  // Load of an expert: how many rows it has.
  int64_t load(int64_t expert) const {
    return begin[static_cast<size_t>(expert) + 1] - begin[static_cast<size_t>(expert)];
  }
};

// Groups routed tokens by expert so that each expert's rows are contiguous.
//   routed  one (token, expert, weight) per choice; any order, repeats allowed
// Stable: the rows of one expert keep the order of `routed`. O(num_routed + num_experts). Reuses
// the plan's memory. Fails with kInvalidArgument for an expert outside [0, num_experts) or a token
// outside [0, num_tokens); then the plan is unchanged.
Status BuildDispatchPlan(std::span<const RoutedToken> routed, int64_t num_tokens,
                         int64_t num_experts, DispatchPlan& plan);

}  // namespace moiety

#endif  // MOIETY_MOE_DISPATCH_PLAN_H_
