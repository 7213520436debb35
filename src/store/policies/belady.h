// Belady's policy (1966): what is used again last goes. It knows the future, so it is the bound
// that others are measured by, on a recorded trace.
#ifndef MOIETY_STORE_POLICIES_BELADY_H_
#define MOIETY_STORE_POLICIES_BELADY_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "store/cache_policy.h"

namespace moiety {

// `visits` are the keys of every visit to come, in order.
std::unique_ptr<CachePolicy> MakeBelady(const CacheShape& shape,
                                        std::span<const std::vector<int32_t>> visits);

}  // namespace moiety

#endif  // MOIETY_STORE_POLICIES_BELADY_H_
