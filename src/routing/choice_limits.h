// ChoiceLimits: fewer experts per token than the router chose, which is faster and costs quality.
#ifndef MOIETY_ROUTING_CHOICE_LIMITS_H_
#define MOIETY_ROUTING_CHOICE_LIMITS_H_

#include <cstdint>
#include <span>

#include "moiety/model_info.h"
#include "moiety/status.h"
#include "routing/route_edit.h"
#include "routing/router.h"

namespace moiety {

// Both may be set: the threshold is then for the choices that experts_per_token leaves.
struct ChoiceLimits {
  // Only this many of a token's choices stay, the first in selection order; 0: all.
  int64_t experts_per_token = 0;
  // Choices whose weight is below this share of the token's largest are left out; 0: none.
  double threshold = 0;

  bool any() const { return experts_per_token != 0 || threshold != 0; }
};

// Whether the limits make sense for a model: it has experts, experts_per_token is at most its
// top_k, the threshold is below 1. Errors name the fields.
Status CheckChoiceLimits(const ChoiceLimits& limits, const ModelInfo& info);

// Over all rows that were computed.
struct ChoiceCounts {
  int64_t num_choices = 0;  // of the router
  // Of these, left out:
  int64_t num_beyond_count = 0;     // by experts_per_token
  int64_t num_below_threshold = 0;  // by threshold

  int64_t num_left_out() const { return num_beyond_count + num_below_threshold; }
};

// Applies the limits. Where the router makes the weights of a token sum to a number
// (RouterOutput::weight_sum), those that stay sum to it again; elsewhere they stay as they are. A
// token's choices depend on nothing but that token.
class ChoiceLimiter : public RouteEdit {
 public:
  // The limits must have passed CheckChoiceLimits.
  explicit ChoiceLimiter(const ChoiceLimits& limits) : limits_(limits) {}

  Status Edit(int64_t layer, const Batch& batch, RouterOutput& routed) override;

  const ChoiceLimits& limits() const { return limits_; }
  const ChoiceCounts& counts() const { return counts_; }
  void ResetCounts() { counts_ = {}; }

 private:
  size_t Limit(std::span<RoutedToken> choices, float weight_sum);

  const ChoiceLimits limits_;
  ChoiceCounts counts_;
};

}  // namespace moiety

#endif  // MOIETY_ROUTING_CHOICE_LIMITS_H_
