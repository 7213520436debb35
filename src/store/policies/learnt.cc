#include "store/policies/learnt.h"

#include "store/policies/lfu.h"

namespace moiety {

std::unique_ptr<CachePolicy> MakeLearnt(const CacheShape& shape, const CachePolicyInput& input) {
  return std::make_unique<Lfu>(shape, input.rates);
}

}  // namespace moiety
