// Least recently used.
#ifndef MOIETY_STORE_POLICIES_LRU_H_
#define MOIETY_STORE_POLICIES_LRU_H_

#include <memory>

#include "store/cache_policy.h"

namespace moiety {

std::unique_ptr<CachePolicy> MakeLru(const CacheShape& shape, const CachePolicyInput& input);

}  // namespace moiety

#endif  // MOIETY_STORE_POLICIES_LRU_H_
