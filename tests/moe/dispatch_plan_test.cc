#include "moe/dispatch_plan.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "base/rng.h"

namespace moiety {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

DispatchPlan Plan(const std::vector<RoutedToken>& routed, int64_t num_tokens, int64_t num_experts) {
  DispatchPlan plan;
  const Status status = BuildDispatchPlan(routed, num_tokens, num_experts, plan);
  EXPECT_TRUE(status.ok()) << status.message();
  return plan;
}

TEST(DispatchPlan, SmallExample) {
  const DispatchPlan plan = Plan({{0, 2, 0.6F}, {0, 0, 0.4F}, {1, 2, 0.9F}, {1, 3, 0.1F}}, 2, 5);
  EXPECT_THAT(plan.begin, ElementsAre(0, 1, 1, 3, 4, 4));
  EXPECT_THAT(plan.rows, ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(plan.packed, ElementsAre(1, 0, 2, 3));
  EXPECT_EQ(plan.num_experts(), 5);
  EXPECT_EQ(plan.num_routed(), 4);
  EXPECT_EQ(plan.load(2), 2);
  EXPECT_EQ(plan.load(4), 0);
}

// Any choices, repeats and dropped tokens too.
std::vector<RoutedToken> RandomChoices(int64_t count, int64_t num_tokens, int64_t num_experts,
                                       uint32_t seed) {
  std::vector<RoutedToken> routed;
  for (int64_t i = 0; i < count; ++i) {
    const auto random = Philox(seed, {static_cast<uint32_t>(i), 0, 0, 0});
    routed.push_back({static_cast<int32_t>(random[0] % num_tokens),
                      static_cast<int32_t>(random[1] % num_experts), 1});
  }
  return routed;
}

TEST(DispatchPlan, IsAStablePermutation) {
  DispatchPlan plan;  // reused: nothing of an earlier plan may stay
  uint32_t seed = 0;
  for (const int64_t num_experts : {1, 2, 7, 200}) {
    for (const int64_t count : {0, 1, 5, 64, 1000}) {
      const auto routed = RandomChoices(count, 50, num_experts, ++seed);
      ASSERT_TRUE(BuildDispatchPlan(routed, 50, num_experts, plan).ok());
      ASSERT_EQ(plan.begin.size(), static_cast<size_t>(num_experts + 1));
      EXPECT_EQ(plan.begin.front(), 0);
      EXPECT_EQ(plan.begin.back(), count);
      EXPECT_TRUE(std::is_sorted(plan.begin.begin(), plan.begin.end()));
      // Every packed row is used once, by a choice of its expert and its token.
      std::vector<int> used(routed.size(), 0);
      std::vector<int64_t> last(static_cast<size_t>(num_experts), -1);
      ASSERT_EQ(plan.packed.size(), routed.size());
      ASSERT_EQ(plan.rows.size(), routed.size());
      for (size_t i = 0; i < routed.size(); ++i) {
        const auto expert = static_cast<size_t>(routed[i].expert);
        const int64_t slot = plan.packed[i];
        ASSERT_GE(slot, plan.begin[expert]);
        ASSERT_LT(slot, plan.begin[expert + 1]);
        EXPECT_EQ(plan.rows[static_cast<size_t>(slot)], routed[i].token);
        ++used[static_cast<size_t>(slot)];
        EXPECT_GT(slot, last[expert]) << "rows of one expert keep the order of the choices";
        last[expert] = slot;
      }
      EXPECT_THAT(used, Each(1));
    }
  }
}

TEST(DispatchPlan, NoChoices) {
  const DispatchPlan plan = Plan({}, 0, 3);
  EXPECT_THAT(plan.begin, ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(plan.rows, IsEmpty());
  EXPECT_EQ(Plan({}, 0, 0).num_experts(), 0);
}

TEST(DispatchPlan, AllToOneExpert) {
  std::vector<RoutedToken> routed;
  for (int32_t t = 0; t < 10; ++t) routed.push_back({t, 6, 1});
  const DispatchPlan plan = Plan(routed, 10, 7);
  EXPECT_EQ(plan.load(6), 10);
  EXPECT_EQ(plan.load(0), 0);
  std::vector<int64_t> ascending(10);
  std::iota(ascending.begin(), ascending.end(), 0);
  EXPECT_EQ(plan.packed, ascending);
}

TEST(DispatchPlan, ATokenMayChooseAnExpertTwice) {
  const DispatchPlan plan = Plan({{0, 1, 0.5F}, {0, 1, 0.5F}}, 1, 2);
  EXPECT_THAT(plan.rows, ElementsAre(0, 0));
  EXPECT_THAT(plan.packed, ElementsAre(0, 1));
}

TEST(DispatchPlan, ErrorsNameTheNumberAndChangeNothing) {
  const DispatchPlan before = Plan({{0, 1, 1}, {1, 0, 1}}, 2, 2);
  for (const RoutedToken& bad :
       {RoutedToken{0, 2, 1}, RoutedToken{0, -1, 1}, RoutedToken{2, 0, 1}, RoutedToken{-1, 0, 1},
        RoutedToken{0, INT32_MAX, 1}, RoutedToken{INT32_MIN, 0, 1}}) {
    DispatchPlan plan = before;
    const Status status = BuildDispatchPlan(std::vector{RoutedToken{0, 0, 1}, bad}, 2, 2, plan);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    const bool wrong_expert = bad.expert < 0 || bad.expert >= 2;
    EXPECT_THAT(status.message(), HasSubstr(wrong_expert ? "expert " + std::to_string(bad.expert)
                                                         : "token " + std::to_string(bad.token)));
    EXPECT_EQ(plan.begin, before.begin);
    EXPECT_EQ(plan.rows, before.rows);
    EXPECT_EQ(plan.packed, before.packed);
  }
}

}  // namespace
}  // namespace moiety
