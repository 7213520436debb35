// Least frequently used, with ageing: how often an expert was used is an exponential average over
// the visits of its layer,
//
//   rate ← rate + α (used − rate),
//
// and what goes is the expert whose next use is expected to be the furthest away: the visits until
// its layer comes again, and 1 / rate − 1 rounds more. Layers come in turn, so among experts of one
// rate those of the layer that was just computed are needed last. (LRU, which keeps them, fails
// where a prompt goes through more experts than fit.)
#ifndef MOIETY_STORE_POLICIES_LFU_H_
#define MOIETY_STORE_POLICIES_LFU_H_

#include <memory>
#include <vector>

#include "store/cache_policy.h"

namespace moiety {

class Lfu : public CachePolicy {
 public:
  // Every expert begins with its rate of `rates`, or with the same one.
  Lfu(const CacheShape& shape, const ExpertRates* rates);

  void OnVisit(int64_t layer, std::span<const int32_t> keys) override;
  double Worth(int32_t key) const override;
  // As of now.
  float rate(int32_t key) const;

 private:
  struct Entry {
    float rate = 0;
    int64_t visits = 0;  // of its layer, when that was the rate
  };
  const CacheShape shape_;
  std::vector<Entry> entries_;   // by key
  std::vector<int64_t> visits_;  // of each layer
  std::vector<int64_t> last_;    // when each layer was visited last
  std::vector<float> decay_;     // (1 − α)^n
  int64_t now_ = 0;
};

std::unique_ptr<CachePolicy> MakeLfu(const CacheShape& shape, const CachePolicyInput& input);

}  // namespace moiety

#endif  // MOIETY_STORE_POLICIES_LFU_H_
