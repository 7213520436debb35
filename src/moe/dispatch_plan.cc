#include "moe/dispatch_plan.h"

#include "base/format.h"

namespace moiety {

Status BuildDispatchPlan(std::span<const RoutedToken> routed, int64_t num_tokens,
                         int64_t num_experts, DispatchPlan& plan) {
  for (const RoutedToken& choice : routed) {
    if (choice.expert < 0 || choice.expert >= num_experts) {
      return InvalidArgument(
          Format("dispatch: expert {} is outside 0 … {}", choice.expert, num_experts - 1));
    }
    if (choice.token < 0 || choice.token >= num_tokens) {
      return InvalidArgument(
          Format("dispatch: token {} is outside 0 … {}", choice.token, num_tokens - 1));
    }
  }
  // A counting sort. While rows are placed, begin[e + 1] is where expert e's next row goes; at the
  // end it has moved on to where expert e + 1 begins.
  plan.begin.assign(static_cast<size_t>(num_experts) + 2, 0);
  for (const RoutedToken& choice : routed) ++plan.begin[static_cast<size_t>(choice.expert) + 2];
  for (size_t e = 2; e < plan.begin.size(); ++e) plan.begin[e] += plan.begin[e - 1];
  plan.rows.resize(routed.size());
  plan.packed.resize(routed.size());
  for (size_t i = 0; i < routed.size(); ++i) {
    const int64_t slot = plan.begin[static_cast<size_t>(routed[i].expert) + 1]++;
    plan.rows[static_cast<size_t>(slot)] = routed[i].token;
    plan.packed[i] = slot;
  }
  plan.begin.pop_back();
  return OkStatus();
}

}  // namespace moiety
