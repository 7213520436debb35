// Frequency learnt across runs: as lfu, but an expert's rate begins with what earlier runs of the
// same model left behind (expert_rates.h).
#ifndef MOIETY_STORE_POLICIES_LEARNT_H_
#define MOIETY_STORE_POLICIES_LEARNT_H_

#include <memory>

#include "store/cache_policy.h"

namespace moiety {

std::unique_ptr<CachePolicy> MakeLearnt(const CacheShape& shape, const CachePolicyInput& input);

}  // namespace moiety

#endif  // MOIETY_STORE_POLICIES_LEARNT_H_
