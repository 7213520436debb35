#include "store/expert_cache.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace moiety {

void ExpertCache::Insert(int32_t key) {
  MOIETY_CHECK(!Contains(key));
  places_[static_cast<size_t>(key)] = static_cast<int32_t>(keys_.size());
  keys_.push_back({key, 0});
  policy_->OnInsert(key);
}

void ExpertCache::Erase(int32_t key) {
  MOIETY_CHECK(Contains(key));
  const int32_t at = std::exchange(places_[static_cast<size_t>(key)], kAbsent);
  if (at + 1 != static_cast<int32_t>(keys_.size())) {
    keys_[static_cast<size_t>(at)] = keys_.back();
    places_[static_cast<size_t>(keys_.back().key)] = at;
  }
  keys_.pop_back();
  policy_->OnEvict(key);
}

std::optional<int32_t> ExpertCache::Victim() const {
  std::optional<int32_t> victim;
  double least = 0;
  for (const Cached& cached : keys_) {
    if (cached.pins > 0) continue;
    const double worth = policy_->Worth(cached.key);
    if (!victim || worth < least || (worth == least && cached.key < *victim)) {
      victim = cached.key;
      least = worth;
    }
  }
  return victim;
}

int64_t ExpertCache::num_unpinned() const {
  return std::count_if(keys_.begin(), keys_.end(), [](const Cached& c) { return c.pins == 0; });
}

CacheCounts SimulateCache(const CacheShape& shape, std::span<const int64_t> layers,
                          std::span<const std::vector<int32_t>> visits, int64_t num_slots,
                          std::unique_ptr<CachePolicy> policy) {
  MOIETY_CHECK(num_slots >= 1 && layers.size() == visits.size());
  ExpertCache cache(shape, std::move(policy));
  CacheCounts counts;
  for (size_t visit = 0; visit < visits.size(); ++visit) {
    cache.policy().OnVisit(layers[visit], visits[visit]);
    std::vector<int32_t> pinned;  // of this visit, in the order in which they are used
    std::vector<int32_t> missing;
    for (const int32_t key : visits[visit]) {
      if (cache.Contains(key)) {
        cache.Pin(key);
        pinned.push_back(key);
        ++counts.hits;
      } else {
        missing.push_back(key);
      }
    }
    size_t used = 0;  // of pinned
    for (const int32_t key : missing) {
      ++counts.misses;
      if (cache.size() == num_slots) {
        if (cache.num_unpinned() == 0) cache.Unpin(pinned[used++]);
        cache.Erase(*cache.Victim());
        ++counts.evictions;
      }
      cache.Insert(key);
      cache.Pin(key);
      pinned.push_back(key);
    }
    for (; used < pinned.size(); ++used) cache.Unpin(pinned[used]);
  }
  return counts;
}

}  // namespace moiety
