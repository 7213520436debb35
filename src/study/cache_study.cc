#include "study/cache_study.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "store/cache_policy.h"
#include "store/policies/belady.h"

namespace moiety {
namespace {

// How many of the visits of its layer used each expert.
ExpertRates RatesOf(const CacheShape& shape, std::span<const int64_t> layers,
                    std::span<const std::vector<int32_t>> visits) {
  ExpertRates rates(static_cast<size_t>(shape.num_keys()), 0);
  std::vector<int64_t> num_visits(static_cast<size_t>(shape.num_layers), 0);
  for (size_t i = 0; i < visits.size(); ++i) {
    ++num_visits[static_cast<size_t>(layers[i])];
    for (const int32_t key : visits[i]) ++rates[static_cast<size_t>(key)];
  }
  for (int64_t key = 0; key < shape.num_keys(); ++key) {
    const int64_t count =
        num_visits[static_cast<size_t>(shape.layer_of(static_cast<int32_t>(key)))];
    if (count > 0) rates[static_cast<size_t>(key)] /= static_cast<float>(count);
  }
  return rates;
}

}  // namespace

Result<CacheStudy> StudyCache(const ExpertTrace& trace, std::span<const double> shares) {
  if (trace.visits.size() < 2) {
    return InvalidArgument(
        Format("a trace of {} layer steps is too short to study", trace.visits.size()));
  }
  const size_t half = trace.visits.size() / 2;
  const std::span all_layers(trace.layers);
  const std::span all_visits(trace.visits);
  const ExpertRates rates = RatesOf(trace.shape, all_layers.first(half), all_visits.first(half));
  const auto layers = all_layers.subspan(half);
  const auto visits = all_visits.subspan(half);
  CacheStudy study;
  study.num_experts = trace.num_experts();
  study.num_visits = static_cast<int64_t>(visits.size());
  for (const CachePolicyInfo& policy : CachePolicies()) study.policies.emplace_back(policy.name);
  study.policies.emplace_back("belady");
  for (const double share : shares) {
    if (!(share > 0 && share <= 1)) {
      return InvalidArgument(Format("a share must be above 0 and at most 1, found {}", share));
    }
    CacheStudyRow row;
    row.num_slots =
        std::max<int64_t>(1, std::llround(share * static_cast<double>(study.num_experts)));
    for (const CachePolicyInfo& policy : CachePolicies()) {
      row.counts.push_back(SimulateCache(trace.shape, layers, visits, row.num_slots,
                                         policy.make(trace.shape, {&rates})));
    }
    row.counts.push_back(
        SimulateCache(trace.shape, layers, visits, row.num_slots, MakeBelady(trace.shape, visits)));
    study.rows.push_back(std::move(row));
  }
  return study;
}

}  // namespace moiety
