// ExpertCache: which experts are in memory, and which goes for another. Only the decisions: the
// bytes are elsewhere (expert_streamer.h), or nowhere when a trace is studied (SimulateCache).
#ifndef MOIETY_STORE_EXPERT_CACHE_H_
#define MOIETY_STORE_EXPERT_CACHE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "store/cache_policy.h"

namespace moiety {

class ExpertCache {
 public:
  ExpertCache(const CacheShape& shape, std::unique_ptr<CachePolicy> policy)
      : policy_(std::move(policy)), places_(static_cast<size_t>(shape.num_keys()), kAbsent) {}

  CachePolicy& policy() { return *policy_; }
  bool Contains(int32_t key) const { return place(key) != kAbsent; }
  int64_t size() const { return static_cast<int64_t>(keys_.size()); }

  // The key must not be in the cache; it comes in without a pin.
  void Insert(int32_t key);
  // The key must be in the cache; pinned or not.
  void Erase(int32_t key);
  // A key with a pin does not go.
  void Pin(int32_t key) { ++pins(key); }
  void Unpin(int32_t key) { --pins(key); }
  bool IsPinned(int32_t key) const { return keys_[static_cast<size_t>(place(key))].pins > 0; }
  // The key without a pin that is worth least; nullopt if there is none.
  std::optional<int32_t> Victim() const;
  int64_t num_unpinned() const;

 private:
  static constexpr int32_t kAbsent = -1;
  struct Cached {
    int32_t key;
    int32_t pins;
  };
  int32_t place(int32_t key) const { return places_[static_cast<size_t>(key)]; }
  int32_t& pins(int32_t key) { return keys_[static_cast<size_t>(place(key))].pins; }

  std::unique_ptr<CachePolicy> policy_;
  std::vector<Cached> keys_;     // in no order
  std::vector<int32_t> places_;  // of each key in keys_
};

struct CacheCounts {
  int64_t hits = 0;
  int64_t misses = 0;
  int64_t evictions = 0;
  double hit_rate() const {
    return hits + misses == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(hits + misses);
  }
};

// What a cache of `num_slots` ≥ 1 experts would do over visits of layers: as the streamer does it,
// what a visit finds is kept until it was used, and a visit of more experts than there are slots
// takes them one after the other.
//   layers  of each visit
//   visits  the keys of each, different ones
CacheCounts SimulateCache(const CacheShape& shape, std::span<const int64_t> layers,
                          std::span<const std::vector<int32_t>> visits, int64_t num_slots,
                          std::unique_ptr<CachePolicy> policy);

}  // namespace moiety

#endif  // MOIETY_STORE_EXPERT_CACHE_H_
