#include "study/expert_stats.h"

#include <gmock/gmock.h>

#include <cmath>

#include "routing/router.h"
#include "routing/router_recorder.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

using testing::ElementsAre;

RouterOutput Choices(int64_t num_experts, const std::vector<int32_t>& experts) {
  RouterOutput out;
  out.num_tokens = static_cast<int64_t>(experts.size());
  out.num_experts = num_experts;
  for (size_t i = 0; i < experts.size(); ++i)
    out.routed.push_back({static_cast<int32_t>(i), experts[i], 1});
  return out;
}

TEST(ExpertStats, CountsPerLayerInOrder) {
  ExpertStats stats;
  EXPECT_TRUE(stats.layers().empty());
  stats.OnRoute(5, Choices(3, {0, 2, 2}));
  stats.OnRoute(1, Choices(4, {3}));
  stats.OnRoute(5, Choices(3, {2}));
  stats.OnRoute(3, Choices(3, {}));
  ASSERT_EQ(stats.layers().size(), 3U);
  EXPECT_EQ(stats.layers()[0].layer, 1);
  EXPECT_THAT(stats.layers()[0].load, ElementsAre(0, 0, 0, 1));
  EXPECT_EQ(stats.layers()[1].layer, 3);
  EXPECT_THAT(stats.layers()[1].load, ElementsAre(0, 0, 0));
  EXPECT_EQ(stats.layers()[2].layer, 5);
  EXPECT_THAT(stats.layers()[2].load, ElementsAre(1, 0, 3));
  EXPECT_EQ(stats.layers()[2].total, 4);
  EXPECT_EQ(stats.layers()[2].share(2), 0.75);
}

TEST(ExpertStats, LoadAndBalanceByHand) {
  const auto layer = [](const std::vector<int32_t>& experts, int64_t num_experts) {
    ExpertStats stats;
    stats.OnRoute(0, Choices(num_experts, experts));
    return stats.layers()[0];
  };
  const auto even = layer({0, 1, 2, 3}, 4);
  EXPECT_EQ(even.load_cv(), 0);
  EXPECT_NEAR(even.balance(), 1, 1e-12);
  const auto one = layer({2, 2, 2, 2}, 4);
  EXPECT_NEAR(one.load_cv(), std::sqrt(3), 1e-12);  // mean 1, deviations 3, -1, -1, -1
  EXPECT_EQ(one.balance(), 0);
  const auto two = layer({0, 1, 0, 1}, 4);
  EXPECT_NEAR(two.load_cv(), 1, 1e-12);
  EXPECT_NEAR(two.balance(), 0.5, 1e-12);  // ln 2 / ln 4
  const auto none = layer({}, 4);
  EXPECT_EQ(none.share(0), 0);
  EXPECT_EQ(none.load_cv(), 0);
  EXPECT_EQ(none.balance(), 1);
  EXPECT_EQ(layer({0, 0}, 1).balance(), 1);
}

TEST(ExpertStats, AgreeWithTheRecorder) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = SomeIds(50);
  ExpertStats stats;
  RouterRecorder recorder(2);
  for (Observer* observer : {static_cast<Observer*>(&stats), static_cast<Observer*>(&recorder)}) {
    Sequence sequence(engine->pages());
    FeedLogits(*engine, sequence, ids, 7, observer);
  }
  const auto layers = recorder.Take();
  ASSERT_EQ(stats.layers().size(), layers.size());
  for (size_t l = 0; l < layers.size(); ++l) {
    std::vector<int64_t> load(3, 0);
    for (const int32_t expert : layers[l].experts) ++load[static_cast<size_t>(expert)];
    EXPECT_EQ(stats.layers()[l].load, load);
    EXPECT_EQ(stats.layers()[l].total, 2 * 50);
  }
}

}  // namespace
}  // namespace moiety
