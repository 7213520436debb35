#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "store/cache_policy.h"
#include "store/expert_cache.h"
#include "store/policies/belady.h"
#include "store/policies/lfu.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Visits = std::vector<std::vector<int32_t>>;

constexpr CacheShape kPolicyShape = {3, 8};

// Visits of layers in turn; some experts are chosen more often than others.
struct PolicyTrace {
  explicit PolicyTrace(int64_t count, uint64_t seed, int64_t most = 3) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t layer = i % kPolicyShape.num_layers;
      std::set<int32_t> keys;
      for (int64_t n = 0; n < most; ++n) {
        const double u = UniformDouble(seed, static_cast<uint64_t>(n), static_cast<uint64_t>(i));
        keys.insert(static_cast<int32_t>(layer * kPolicyShape.num_experts) +
                    static_cast<int32_t>(u * u * 8));
      }
      layers.push_back(layer);
      visits.emplace_back(keys.begin(), keys.end());
    }
  }
  std::vector<int64_t> layers;
  Visits visits;
};

// One key at a time, and what goes is chosen by `worst` from the history of all that was used.
CacheCounts NaiveCache(
    const Visits& visits, int64_t slots,
    const std::function<int32_t(const std::set<int32_t>& may_go, size_t visit)>& worst) {
  std::set<int32_t> cached;
  CacheCounts counts;
  for (size_t v = 0; v < visits.size(); ++v) {
    std::vector<int32_t> missing;
    for (const int32_t key : visits[v]) (cached.contains(key) ? counts.hits : counts.misses) += 1;
    for (const int32_t key : visits[v]) {
      if (!cached.contains(key)) missing.push_back(key);
    }
    for (const int32_t key : missing) {
      if (static_cast<int64_t>(cached.size()) == slots) {
        std::set<int32_t> may_go = cached;
        for (const int32_t used : visits[v]) may_go.erase(used);
        cached.erase(worst(may_go, v));
        ++counts.evictions;
      }
      cached.insert(key);
    }
  }
  return counts;
}

// The visit of the last use of a key up to and with `visit`, -1 for none.
int64_t LastUse(const Visits& visits, size_t visit, int32_t key) {
  for (int64_t v = static_cast<int64_t>(visit); v >= 0; --v) {
    if (std::ranges::count(visits[static_cast<size_t>(v)], key) > 0) return v;
  }
  return -1;
}

int64_t NextUse(const Visits& visits, size_t visit, int32_t key) {
  for (size_t v = visit + 1; v < visits.size(); ++v) {
    if (std::ranges::count(visits[v], key) > 0) return static_cast<int64_t>(v);
  }
  return INT64_MAX;
}

void ExpectSameCounts(const CacheCounts& found, const CacheCounts& expected) {
  EXPECT_EQ(found.hits, expected.hits);
  EXPECT_EQ(found.misses, expected.misses);
  EXPECT_EQ(found.evictions, expected.evictions);
}

TEST(CachePolicies, LruIsTheNaiveOne) {
  const PolicyTrace trace(300, 1);
  for (const int64_t slots : {3, 5, 9, 16}) {
    const auto oldest = [&](const std::set<int32_t>& may_go, size_t visit) {
      return *std::ranges::min_element(may_go, {}, [&](int32_t key) {
        return std::pair(LastUse(trace.visits, visit, key), key);
      });
    };
    ExpectSameCounts(SimulateCache(kPolicyShape, trace.layers, trace.visits, slots,
                                   *MakeCachePolicy("lru", kPolicyShape)),
                     NaiveCache(trace.visits, slots, oldest));
  }
}

TEST(CachePolicies, BeladyIsTheNaiveOne) {
  const PolicyTrace trace(300, 2);
  for (const int64_t slots : {3, 5, 9, 16}) {
    const auto latest = [&](const std::set<int32_t>& may_go, size_t visit) {
      return *std::ranges::min_element(may_go, {}, [&](int32_t key) {
        return std::pair(-NextUse(trace.visits, visit, key), key);
      });
    };
    ExpectSameCounts(SimulateCache(kPolicyShape, trace.layers, trace.visits, slots,
                                   MakeBelady(kPolicyShape, trace.visits)),
                     NaiveCache(trace.visits, slots, latest));
  }
}

TEST(CachePolicies, LfuIsTheNaiveOne) {
  const PolicyTrace trace(300, 3);
  // The formula, over the whole history.
  const auto worth = [&](size_t visit, int32_t key) {
    const int64_t layer = kPolicyShape.layer_of(key);
    double rate = 0.02;
    int64_t last_layer = -1;
    for (size_t v = 0; v <= visit; ++v) {
      if (trace.layers[v] != layer) continue;
      last_layer = static_cast<int64_t>(v);
      rate *= 0.99;
      if (std::ranges::count(trace.visits[v], key) > 0) rate += 0.01;
    }
    const double until =
        3 - static_cast<double>(std::min<int64_t>(3, static_cast<int64_t>(visit) - last_layer));
    return -(until + (1 / rate - 1) * 3);
  };
  for (const int64_t slots : {3, 5, 9, 16}) {
    const auto worst = [&](const std::set<int32_t>& may_go, size_t visit) {
      return *std::ranges::min_element(may_go, {}, [&](int32_t key) { return worth(visit, key); });
    };
    const CacheCounts found = SimulateCache(kPolicyShape, trace.layers, trace.visits, slots,
                                            *MakeCachePolicy("lfu", kPolicyShape));
    const CacheCounts naive = NaiveCache(trace.visits, slots, worst);
    // f32 rates: equal ones may differ in their last bit, and then another goes.
    EXPECT_NEAR(static_cast<double>(found.hits), static_cast<double>(naive.hits), 6) << slots;
  }
}

TEST(CachePolicies, NoneBeatsBelady) {
  for (uint64_t seed = 10; seed < 14; ++seed) {
    const PolicyTrace trace(400, seed);
    for (const int64_t slots : {3, 6, 12, 20, 24}) {
      const int64_t best = SimulateCache(kPolicyShape, trace.layers, trace.visits, slots,
                                         MakeBelady(kPolicyShape, trace.visits))
                               .hits;
      for (const CachePolicyInfo& policy : CachePolicies()) {
        const CacheCounts counts = SimulateCache(kPolicyShape, trace.layers, trace.visits, slots,
                                                 policy.make(kPolicyShape, {}));
        EXPECT_LE(counts.hits, best) << policy.name << " " << slots;
        EXPECT_TRUE(slots < 24 || counts.evictions == 0) << policy.name;
      }
    }
  }
}

// A prompt goes through everything; what was in steady use stays.
TEST(CachePolicies, SegmentedLruAndLfuSurviveAScan) {
  constexpr CacheShape kOneLayer = {1, 100};
  Visits visits;
  for (int i = 0; i < 20; ++i) visits.push_back({0, 1, 2});
  for (int32_t key = 10; key < 60; ++key) visits.push_back({key});
  visits.push_back({0, 1, 2});
  const std::vector<int64_t> layers(visits.size(), 0);
  const auto hits = [&](const std::string& policy) {
    return SimulateCache(kOneLayer, layers, visits, 10, *MakeCachePolicy(policy, kOneLayer)).hits;
  };
  EXPECT_EQ(hits("lru"), 19 * 3);
  EXPECT_GE(hits("slru"), 20 * 3 - 1);  // of three experts two may be protected
  EXPECT_EQ(hits("lfu"), 20 * 3);
}

// Of experts that are all used in every round, LRU keeps none that come again, LFU as many as fit.
TEST(CachePolicies, LfuKeepsAShareOfEndlessRounds) {
  Visits visits;
  std::vector<int64_t> layers;
  for (int64_t round = 0; round < 100; ++round) {
    for (int64_t layer = 0; layer < 3; ++layer) {
      visits.emplace_back();
      for (int32_t e = 0; e < 4; ++e) visits.back().push_back(static_cast<int32_t>(layer * 8) + e);
      layers.push_back(layer);
    }
  }
  const auto rate = [&](const std::string& policy) {
    return SimulateCache(kPolicyShape, layers, visits, 8, *MakeCachePolicy(policy, kPolicyShape))
        .hit_rate();
  };
  EXPECT_EQ(rate("lru"), 0);
  EXPECT_GT(rate("lfu"), 0.3);  // a slot is needed for what does not stay
}

TEST(CachePolicies, LearntBeginsWithTheRatesOfEarlierRuns) {
  ExpertRates rates(24, 0.01F);
  rates[0] = rates[1] = 0.9F;
  const auto policy = MakeCachePolicy("learnt", kPolicyShape, {&rates});
  EXPECT_GT((*policy)->Worth(0), (*policy)->Worth(2));
  const Lfu lfu(kPolicyShape, &rates);
  EXPECT_FLOAT_EQ(lfu.rate(1), 0.9F);
  EXPECT_FLOAT_EQ(lfu.rate(2), 0.01F);
  const ExpertRates of_another_model(5, 0.5F);
  EXPECT_LT(Lfu(kPolicyShape, &of_another_model).rate(1), 0.1F);
}

TEST(CachePolicies, AnUnknownNameIsAnError) {
  const auto policy = MakeCachePolicy("fifo", kPolicyShape);
  EXPECT_EQ(policy.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(policy.status().message(), AllOf(HasSubstr("\"fifo\""), HasSubstr("lru, slru")));
  EXPECT_TRUE(MakeCachePolicy(kDefaultCachePolicy, kPolicyShape).ok());
}

}  // namespace
}  // namespace moiety
