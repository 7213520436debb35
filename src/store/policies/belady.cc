#include "store/policies/belady.h"

#include <limits>

namespace moiety {
namespace {

class Belady : public CachePolicy {
 public:
  Belady(const CacheShape& shape, std::span<const std::vector<int32_t>> visits)
      : uses_(static_cast<size_t>(shape.num_keys())),
        next_(static_cast<size_t>(shape.num_keys()), 0) {
    for (size_t visit = 0; visit < visits.size(); ++visit) {
      for (const int32_t key : visits[visit]) {
        uses_[static_cast<size_t>(key)].push_back(static_cast<int64_t>(visit));
      }
    }
  }

  void OnVisit(int64_t, std::span<const int32_t> keys) override {
    for (const int32_t key : keys) ++next_[static_cast<size_t>(key)];
  }
  double Worth(int32_t key) const override {
    const auto k = static_cast<size_t>(key);
    if (next_[k] >= uses_[k].size()) return -std::numeric_limits<double>::infinity();
    return -static_cast<double>(uses_[k][next_[k]]);
  }

 private:
  std::vector<std::vector<int64_t>> uses_;  // of each key: its visits
  std::vector<size_t> next_;                // of each key: which of them is the next
};

}  // namespace

std::unique_ptr<CachePolicy> MakeBelady(const CacheShape& shape,
                                        std::span<const std::vector<int32_t>> visits) {
  return std::make_unique<Belady>(shape, visits);
}

}  // namespace moiety
