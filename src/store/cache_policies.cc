#include <array>

#include "base/format.h"
#include "store/cache_policy.h"
#include "store/policies/learnt.h"
#include "store/policies/lfu.h"
#include "store/policies/lru.h"
#include "store/policies/segmented_lru.h"

namespace moiety {

std::span<const CachePolicyInfo> CachePolicies() {
  static constexpr std::array kPolicies = {
      CachePolicyInfo{"lru", "the least recently used goes", MakeLru},
      CachePolicyInfo{"slru", "as lru, but what was used twice is kept before what was used once",
                      MakeSegmentedLru},
      CachePolicyInfo{
          "lfu", "what is expected to be used last goes, by how often it was used lately", MakeLfu},
      CachePolicyInfo{"learnt", "as lfu, beginning with what earlier runs used", MakeLearnt},
  };
  return kPolicies;
}

Result<std::unique_ptr<CachePolicy>> MakeCachePolicy(std::string_view name, const CacheShape& shape,
                                                     const CachePolicyInput& input) {
  for (const CachePolicyInfo& policy : CachePolicies()) {
    if (policy.name == name) return policy.make(shape, input);
  }
  return InvalidArgument(
      Format("cache policy \"{}\": expected one of {}", name, CachePolicyNames()));
}

std::string CachePolicyNames() {
  std::string names;
  for (const CachePolicyInfo& policy : CachePolicies()) {
    names += Format("{}{}", names.empty() ? "" : ", ", policy.name);
  }
  return names;
}

}  // namespace moiety
