#include "store/policies/lfu.h"

#include <algorithm>

namespace moiety {
namespace {

// Of the last use. Some hundred tokens are remembered.
constexpr float kAlpha = 0.01F;
// A rate that nothing is known of.
constexpr float kUnknownRate = 0.02F;
// Rates below it are not told apart: it bounds what is expected.
constexpr float kLeastRate = 1e-6F;

}  // namespace

Lfu::Lfu(const CacheShape& shape, const ExpertRates* rates)
    : shape_(shape),
      entries_(static_cast<size_t>(shape.num_keys()), Entry{kUnknownRate, 0}),
      visits_(static_cast<size_t>(shape.num_layers), 0),
      last_(static_cast<size_t>(shape.num_layers), 0),
      decay_(1, 1.0F) {
  while (decay_.back() > kLeastRate) decay_.push_back(decay_.back() * (1 - kAlpha));
  if (rates == nullptr || rates->size() != entries_.size()) return;
  for (size_t key = 0; key < entries_.size(); ++key) entries_[key].rate = (*rates)[key];
}

float Lfu::rate(int32_t key) const {
  const Entry& e = entries_[static_cast<size_t>(key)];
  const int64_t age = visits_[static_cast<size_t>(shape_.layer_of(key))] - e.visits;
  const int64_t oldest = static_cast<int64_t>(decay_.size()) - 1;
  return e.rate * decay_[static_cast<size_t>(std::min(age, oldest))];
}

void Lfu::OnVisit(int64_t layer, std::span<const int32_t> keys) {
  ++now_;
  last_[static_cast<size_t>(layer)] = now_;
  const int64_t visits = ++visits_[static_cast<size_t>(layer)];
  for (const int32_t key : keys) {
    const float decayed = rate(key);
    entries_[static_cast<size_t>(key)] = {decayed + kAlpha, visits};
  }
}

double Lfu::Worth(int32_t key) const {
  // Layers come in a fixed order, so the one visited longest ago is the next.
  const int64_t ago = now_ - last_[static_cast<size_t>(shape_.layer_of(key))];
  const double round = static_cast<double>(shape_.num_layers);
  const double until_layer = round - static_cast<double>(std::min(ago, shape_.num_layers));
  return -(until_layer + (1 / std::max(rate(key), kLeastRate) - 1) * round);
}

std::unique_ptr<CachePolicy> MakeLfu(const CacheShape& shape, const CachePolicyInput&) {
  return std::make_unique<Lfu>(shape, nullptr);
}

}  // namespace moiety
