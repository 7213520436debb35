#include "routing/choice_limits.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/format.h"

namespace moiety {

Status CheckChoiceLimits(const ChoiceLimits& limits, const ModelInfo& info) {
  if (!limits.any()) return OkStatus();
  if (info.num_experts == 0) {
    return InvalidArgument(
        Format("choices cannot be limited: a dense {} model has no experts", info.architecture));
  }
  if (limits.experts_per_token < 0 || limits.experts_per_token > info.top_k) {
    return InvalidArgument(Format("experts per token must be from 1 to the model's {}, found {}",
                                  info.top_k, limits.experts_per_token));
  }
  if (!(limits.threshold >= 0 && limits.threshold < 1)) {
    return InvalidArgument(
        Format("the threshold of experts must be above 0 and below 1, found {}", limits.threshold));
  }
  return OkStatus();
}

// Moves the choices of one token that stay to the front, and returns how many they are.
size_t ChoiceLimiter::Limit(std::span<RoutedToken> choices, float weight_sum) {
  size_t kept = choices.size();
  if (limits_.experts_per_token > 0) {
    kept = std::min(kept, static_cast<size_t>(limits_.experts_per_token));
  }
  counts_.num_choices += static_cast<int64_t>(choices.size());
  counts_.num_beyond_count += static_cast<int64_t>(choices.size() - kept);
  if (limits_.threshold > 0) {
    float largest = 0;  // the threshold means nothing where no weight is above 0
    for (const RoutedToken& choice : choices.first(kept)) {
      largest = std::max(largest, choice.weight);
    }
    const double least = limits_.threshold * static_cast<double>(largest);
    const auto end =
        std::remove_if(choices.begin(), choices.begin() + static_cast<ptrdiff_t>(kept),
                       [&](const RoutedToken& choice) {
                         return largest > 0 && static_cast<double>(choice.weight) < least;
                       });
    const auto stay = static_cast<size_t>(end - choices.begin());
    counts_.num_below_threshold += static_cast<int64_t>(kept - stay);
    kept = stay;
  }
  if (kept == choices.size() || weight_sum == 0) return kept;
  float sum = 0;
  for (const RoutedToken& choice : choices.first(kept)) sum += choice.weight;
  if (sum == 0) return kept;
  // As the router: divided by their sum, then scaled.
  for (RoutedToken& choice : choices.first(kept)) choice.weight = choice.weight / sum * weight_sum;
  return kept;
}

Status ChoiceLimiter::Edit(int64_t, const Batch&, RouterOutput& routed) {
  std::vector<RoutedToken>& choices = routed.routed;
  size_t kept = 0;
  for (size_t i = 0; i < choices.size();) {
    const size_t first = i++;
    while (i < choices.size() && choices[i].token == choices[first].token) ++i;
    const size_t count = Limit(std::span(choices).subspan(first, i - first), routed.weight_sum);
    std::copy_n(choices.begin() + static_cast<ptrdiff_t>(first), count,
                choices.begin() + static_cast<ptrdiff_t>(kept));
    kept += count;
  }
  choices.resize(kept);
  routed.weights = {};
  return OkStatus();
}

}  // namespace moiety
