// CachePolicy: which expert goes when memory for another is needed. One policy is one file of
// policies/ and one line in cache_policies.cc.
#ifndef MOIETY_STORE_CACHE_POLICY_H_
#define MOIETY_STORE_CACHE_POLICY_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"

namespace moiety {

// Experts by number: layer · num_experts + expert.
struct CacheShape {
  int64_t num_layers = 0;
  int64_t num_experts = 0;  // of a layer
  int64_t num_keys() const { return num_layers * num_experts; }
  int64_t layer_of(int32_t key) const { return key / num_experts; }
};

class CachePolicy {
 public:
  virtual ~CachePolicy() = default;
  // A layer needs these experts (each once), cached or not. Before anything is looked up.
  virtual void OnVisit(int64_t layer, std::span<const int32_t> keys) = 0;
  virtual void OnInsert(int32_t key) { (void)key; }
  virtual void OnEvict(int32_t key) { (void)key; }
  // What a cached expert is worth; that of least worth goes, of equals the one with the least key.
  virtual double Worth(int32_t key) const = 0;
};

// How often each expert was used by its layer's steps, from 0 to 1: [num_keys]. What a policy that
// learns begins with, and leaves behind.
using ExpertRates = std::vector<float>;

// What policies are made from. Both may be left out.
struct CachePolicyInput {
  const ExpertRates* rates = nullptr;  // for "learnt"; needed while the policy is made
};

struct CachePolicyInfo {
  std::string_view name;
  std::string_view description;  // half a sentence
  std::unique_ptr<CachePolicy> (*make)(const CacheShape& shape, const CachePolicyInput& input);
};

// Those that need not know the future.
std::span<const CachePolicyInfo> CachePolicies();
inline constexpr std::string_view kDefaultCachePolicy = "lfu";
// Fails for a name that is not in the list.
Result<std::unique_ptr<CachePolicy>> MakeCachePolicy(std::string_view name, const CacheShape& shape,
                                                     const CachePolicyInput& input = {});
// "lru, lfu, …"
std::string CachePolicyNames();

}  // namespace moiety

#endif  // MOIETY_STORE_CACHE_POLICY_H_
