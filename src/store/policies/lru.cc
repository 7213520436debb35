#include "store/policies/lru.h"

#include <vector>

namespace moiety {
namespace {

class Lru : public CachePolicy {
 public:
  explicit Lru(const CacheShape& shape) : last_use_(static_cast<size_t>(shape.num_keys()), 0) {}

  void OnVisit(int64_t, std::span<const int32_t> keys) override {
    ++now_;
    for (const int32_t key : keys) last_use_[static_cast<size_t>(key)] = now_;
  }
  double Worth(int32_t key) const override {
    return static_cast<double>(last_use_[static_cast<size_t>(key)]);
  }

 private:
  int64_t now_ = 0;
  std::vector<int64_t> last_use_;  // in visits
};

}  // namespace

std::unique_ptr<CachePolicy> MakeLru(const CacheShape& shape, const CachePolicyInput&) {
  return std::make_unique<Lru>(shape);
}

}  // namespace moiety
