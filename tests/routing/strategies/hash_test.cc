#include "routing/strategies/hash.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/routing.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

using testing::HasSubstr;

TEST(HashRouter, FollowsItsTable) {
  const RouterOptions options = {
      .num_experts = 5, .top_k = 2, .table = {4, 0, /**/ 1, 3, /**/ 2, 4}};
  const std::vector<int32_t> ids = {2, 0, 2, 1};
  for (const bool train : {false, true}) {
    TapedCompute compute(1, *AvailableKernels().back(), train);
    const RouterOutput out = RouteWith(compute.exec, "hash", options,
                                       {.x = compute.NewRandomMatrix(4, 3, 1), .ids = ids});
    ASSERT_TRUE(compute.exec.ok());
    using testing::FieldsAre;
    EXPECT_THAT(out.routed, testing::ElementsAre(FieldsAre(0, 2, 0.5F), FieldsAre(0, 4, 0.5F),
                                                 FieldsAre(1, 4, 0.5F), FieldsAre(1, 0, 0.5F),
                                                 FieldsAre(2, 2, 0.5F), FieldsAre(2, 4, 0.5F),
                                                 FieldsAre(3, 1, 0.5F), FieldsAre(3, 3, 0.5F)));
    EXPECT_EQ(Copy(out.scores), (std::vector<float>{0, 0, 0.5F, 0, 0.5F, 0.5F, 0,    0, 0,    0.5F,
                                                    0, 0, 0.5F, 0, 0.5F, 0,    0.5F, 0, 0.5F, 0}));
    EXPECT_EQ(out.logits.data, out.scores.data);
    EXPECT_EQ(Copy(out.weights), std::vector<float>(8, 0.5F));
    // Nothing learns from them, and nothing minds.
    if (train) compute.AddGradient(out.weights, std::vector<float>(8, 1.0F));
    EXPECT_TRUE(compute.tape.Backward().ok());
  }
}

// Top-k chooses by what the token means here; a hash does not look.
TEST(HashRouter, SeesNothingButTheId) {
  Compute compute;
  const std::vector<int32_t> ids = {7, 100000, 7, 0};
  const RouterOptions options = {.num_experts = 16, .top_k = 3, .seed = 4};
  const RouterOutput a =
      RouteWith(compute.exec, "hash", options, {.x = compute.NewRandomMatrix(4, 3, 1), .ids = ids});
  const RouterOutput b = RouteWith(compute.exec, "hash", options,
                                   {.x = compute.NewRandomMatrix(4, 3, 2), .ids = ids, .layer = 9});
  ASSERT_EQ(a.routed.size(), 12U);
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(a.routed[i].expert, b.routed[i].expert);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(a.routed[i].expert, a.routed[6 + i].expert);
}

TEST(HashRouter, RandomTablesAreUniformAndOfTheirSeed) {
  constexpr int64_t kIds = 20000;
  std::vector<int32_t> ids(kIds);
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<std::vector<int32_t>> tables;
  for (const uint64_t seed : {1, 1, 2}) {
    Compute compute;
    const RouterOutput out =
        RouteWith(compute.exec, "hash", {.num_experts = 6, .top_k = 2, .seed = seed},
                  {.x = compute.exec.NewMatrix(kIds, 1), .ids = ids});
    std::vector<int32_t>& table = tables.emplace_back();
    for (const RoutedToken& choice : out.routed) table.push_back(choice.expert);
    for (size_t i = 0; i < table.size(); i += 2) EXPECT_NE(table[i], table[i + 1]);
    // Binomial; five standard deviations.
    for (const int64_t load : LoadsOf(out))
      EXPECT_NEAR(static_cast<double>(load), kIds / 3.0, 5 * 67);
  }
  EXPECT_EQ(tables[0], tables[1]);
  EXPECT_NE(tables[0], tables[2]);
}

TEST(HashRouter, IdsOutsideTheTableAreErrors) {
  const RouterOptions given = {.num_experts = 3, .top_k = 1, .table = {0, 2}};
  const RouterOptions random = {.num_experts = 3, .top_k = 1};
  const auto message = [](const RouterOptions& options, const std::vector<int32_t>& ids) {
    Compute compute;
    RouteWith(compute.exec, "hash", options, {.x = compute.NewRandomMatrix(2, 3, 1), .ids = ids});
    return compute.exec.ok() ? "" : compute.exec.status().message();
  };
  EXPECT_EQ(message(given, {0, 1}), "");
  EXPECT_THAT(message(given, {0, 2}), testing::AllOf(HasSubstr("2 tokens"), HasSubstr("id 2")));
  EXPECT_THAT(message(given, {-1, 0}), HasSubstr("-1"));
  EXPECT_EQ(message(random, {0, INT32_MAX}), "");
  EXPECT_THAT(message(random, {0, INT32_MIN}), HasSubstr("-2147483648"));
  EXPECT_THAT(message(random, {}), testing::AllOf(HasSubstr("2 tokens"), HasSubstr("found 0")));
  EXPECT_THAT(message(random, {1, 2, 3}), HasSubstr("found 3"));
}

TEST(HashRouter, RefusesTablesThatAreNone) {
  const auto make = [](std::vector<int32_t> table) {
    const auto router =
        MakeRouter("hash", {.num_experts = 3, .top_k = 2, .table = std::move(table)});
    return router.ok() ? "" : router.status().message();
  };
  EXPECT_EQ(make({0, 1, 2, 0}), "");
  EXPECT_THAT(make({0, 1, 2}), HasSubstr("3 experts"));
  EXPECT_THAT(make({0, 1, 2, 3}), HasSubstr("token 1 to expert 3"));
  EXPECT_THAT(make({0, -1}), HasSubstr("expert -1"));
  EXPECT_THAT(make({0, 1, 2, 2}), HasSubstr("token 1 to expert 2 twice"));
}

TEST(BalancedHashTable, GivesFrequentTokensFirst) {
  const std::vector<int64_t> counts = {5, 100, 40, 60, 0, 39};
  // 100 → 0; 60 → 1; 40 → 2; 39 → 2 (40 < 60); 5 → 1 (60 < 79); 0 → 1 (65).
  EXPECT_THAT(BalancedHashTable(counts, 3, 1), testing::ElementsAre(1, 0, 2, 1, 1, 2));
  EXPECT_TRUE(BalancedHashTable({}, 3, 2).empty());
}

// Word frequencies fall like 1/rank; a random table does not share them out.
TEST(BalancedHashTable, SharesOutWhatRandomTablesDoNot) {
  std::vector<int64_t> counts;
  for (int64_t id = 0; id < 3000; ++id) counts.push_back(100000 / (1 + (id * 1237) % 3000));
  const int64_t all = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  for (const int64_t top_k : {1, 2, 8}) {
    const std::vector<int32_t> table = BalancedHashTable(counts, 8, top_k);
    ASSERT_EQ(table.size(), counts.size() * static_cast<size_t>(top_k));
    std::vector<int64_t> loads(8);
    for (size_t i = 0; i < table.size(); ++i) {
      loads[static_cast<size_t>(table[i])] += counts[i / static_cast<size_t>(top_k)];
    }
    for (size_t id = 0; id < counts.size(); ++id) {
      const auto first = table.begin() + static_cast<std::ptrdiff_t>(id) * top_k;
      EXPECT_EQ(std::set<int32_t>(first, first + top_k).size(), static_cast<size_t>(top_k));
    }
    // Greedy: loads differ by no more than the tokens that came last, but for a token that alone is
    // more than a share.
    const int64_t share = all * top_k / 8;
    const int64_t largest = *std::max_element(loads.begin(), loads.end());
    EXPECT_LE(largest, std::max<int64_t>(100000, share + share / 10)) << top_k;
    EXPECT_TRUE(MakeRouter("hash", {.num_experts = 8, .top_k = top_k, .table = table}).ok());
  }
}

}  // namespace
}  // namespace moiety
