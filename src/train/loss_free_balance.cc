#include "train/loss_free_balance.h"

#include <cstddef>
#include <numeric>

#include "base/check.h"
#include "routing/balance_loss.h"

namespace moiety {

LossFreeBalance::LossFreeBalance(Parameters& parameters, double rate)
    : rate_(static_cast<float>(rate)) {
  for (Parameter& parameter : parameters.all()) {
    if (parameter.name.ends_with(kCorrectionBias)) biases_.push_back(parameter.values);
  }
}

void LossFreeBalance::Observe(int64_t layer, const RouterOutput& routed) {
  if (biases_.empty()) return;
  std::vector<int64_t>& sum = demand_[layer];
  sum.resize(static_cast<size_t>(routed.num_experts));
  const std::vector<int64_t> demand = Demand(routed);
  for (size_t e = 0; e < sum.size(); ++e) sum[e] += demand[e];
}

void LossFreeBalance::Update() {
  MOIETY_CHECK(demand_.empty() || demand_.size() == biases_.size());
  auto bias = biases_.begin();
  for (const auto& [layer, demand] : demand_) {
    const int64_t sum = std::accumulate(demand.begin(), demand.end(), int64_t{0});
    for (size_t e = 0; e < demand.size(); ++e) {
      // Of integers: the sign of mean - demand.
      const int64_t error = sum - demand[e] * static_cast<int64_t>(demand.size());
      if (error != 0) (*bias)[e] += error > 0 ? rate_ : -rate_;
    }
    ++bias;
  }
  demand_.clear();
}

}  // namespace moiety
