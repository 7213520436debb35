#include "store/expert_cache.h"

#include <gmock/gmock.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "store/cache_policy.h"

namespace moiety {
namespace {

using Visits = std::vector<std::vector<int32_t>>;

constexpr CacheShape kCacheShape = {2, 4};

std::unique_ptr<CachePolicy> LruPolicy() { return *MakeCachePolicy("lru", kCacheShape); }

TEST(ExpertCache, VictimsHaveNoPinAndAreWorthLeast) {
  ExpertCache cache(kCacheShape, LruPolicy());
  EXPECT_EQ(cache.Victim(), std::nullopt);
  for (const int32_t key : {1, 5, 3}) {
    cache.policy().OnVisit(0, std::vector{key});
    cache.Insert(key);
  }
  EXPECT_EQ(cache.Victim(), 1);
  cache.Pin(1);
  cache.Pin(1);
  EXPECT_EQ(cache.Victim(), 5);
  cache.Unpin(1);
  EXPECT_EQ(cache.Victim(), 5) << "it had two pins";
  EXPECT_EQ(cache.num_unpinned(), 2);
  cache.Unpin(1);
  cache.Erase(1);
  EXPECT_FALSE(cache.Contains(1));
  EXPECT_TRUE(cache.Contains(3));
  EXPECT_EQ(cache.Victim(), 5);
  cache.Erase(5);
  EXPECT_EQ(cache.Victim(), 3);
  EXPECT_EQ(cache.size(), 1);
}

TEST(ExpertCache, SimulationByHand) {
  const std::vector<int64_t> layers = {0, 0, 0, 0};
  const Visits visits = {{0, 1}, {1, 2}, {0, 2}, {1, 2}};
  const CacheCounts two = SimulateCache(kCacheShape, layers, visits, 2, LruPolicy());
  EXPECT_EQ(two.hits, 3);  // 1, 2, 2
  EXPECT_EQ(two.misses, 5);
  EXPECT_EQ(two.evictions, 3);
  const CacheCounts three = SimulateCache(kCacheShape, layers, visits, 3, LruPolicy());
  EXPECT_EQ(three.misses, 3);
  EXPECT_EQ(three.evictions, 0);
  EXPECT_DOUBLE_EQ(three.hit_rate(), 5.0 / 8);
}

TEST(ExpertCache, AVisitMayBeLargerThanTheCache) {
  const std::vector<int64_t> layers = {0, 0, 0};
  const Visits visits = {{0, 1, 2, 3}, {0, 1, 2, 3}, {3}};
  for (const int64_t slots : {1, 2, 3}) {
    const CacheCounts counts = SimulateCache(kCacheShape, layers, visits, slots, LruPolicy());
    EXPECT_EQ(counts.hits + counts.misses, 9);
    // What was there at the start of the second visit is used first.
    EXPECT_EQ(counts.hits, slots == 3 ? 4 : slots) << slots;
  }
}

}  // namespace
}  // namespace moiety
