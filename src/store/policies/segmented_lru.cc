#include "store/policies/segmented_lru.h"

#include <list>
#include <vector>

namespace moiety {
namespace {

// Of what is cached, this much may be protected.
constexpr double kProtectedShare = 0.8;
// Above any number of visits.
constexpr double kProtectedWorth = 1e15;

class SegmentedLru : public CachePolicy {
 public:
  explicit SegmentedLru(const CacheShape& shape)
      : entries_(static_cast<size_t>(shape.num_keys())) {}

  void OnVisit(int64_t, std::span<const int32_t> keys) override {
    ++now_;
    for (const int32_t key : keys) {
      Entry& e = entry(key);
      e.last_use = now_;
      if (!e.cached) continue;
      if (e.is_protected) {
        protected_.splice(protected_.end(), protected_, e.place);
      } else {
        e.place = protected_.insert(protected_.end(), key);
        e.is_protected = true;
      }
    }
    Demote();
  }
  void OnInsert(int32_t key) override {
    entry(key).cached = true;
    ++num_cached_;
  }
  void OnEvict(int32_t key) override {
    Entry& e = entry(key);
    if (e.is_protected) protected_.erase(e.place);
    e.is_protected = false;
    e.cached = false;
    --num_cached_;
    Demote();
  }
  double Worth(int32_t key) const override {
    const Entry& e = entries_[static_cast<size_t>(key)];
    return static_cast<double>(e.last_use) + (e.is_protected ? kProtectedWorth : 0);
  }

 private:
  struct Entry {
    int64_t last_use = 0;
    bool cached = false;
    bool is_protected = false;
    std::list<int32_t>::iterator place;  // in protected_
  };
  Entry& entry(int32_t key) { return entries_[static_cast<size_t>(key)]; }

  void Demote() {
    const auto most = static_cast<size_t>(kProtectedShare * static_cast<double>(num_cached_));
    while (protected_.size() > most) {
      entry(protected_.front()).is_protected = false;
      protected_.pop_front();
    }
  }

  int64_t now_ = 0;
  int64_t num_cached_ = 0;
  std::vector<Entry> entries_;
  std::list<int32_t> protected_;  // the least recently used first
};

}  // namespace

std::unique_ptr<CachePolicy> MakeSegmentedLru(const CacheShape& shape, const CachePolicyInput&) {
  return std::make_unique<SegmentedLru>(shape);
}

}  // namespace moiety
