// Segmented LRU (Karedla, Love, Wherry 1994): what is used again while cached is protected, as long
// as it is among the most recent of those. A prompt that passes through all experts once does not
// wash out those in steady use.
#ifndef MOIETY_STORE_POLICIES_SEGMENTED_LRU_H_
#define MOIETY_STORE_POLICIES_SEGMENTED_LRU_H_

#include <memory>

#include "store/cache_policy.h"

namespace moiety {

std::unique_ptr<CachePolicy> MakeSegmentedLru(const CacheShape& shape,
                                              const CachePolicyInput& input);

}  // namespace moiety

#endif  // MOIETY_STORE_POLICIES_SEGMENTED_LRU_H_
