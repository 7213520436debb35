#include "study/cache_study.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace moiety {
namespace {

using testing::ElementsAre;

// Two layers in turn; experts 0 and 1 of each are used in most steps.
ExpertTrace MakeTrace(int64_t steps) {
  ExpertTrace trace;
  trace.shape = {3, 6};  // layer 1 has no experts
  trace.num_moe_layers = 2;
  for (int64_t step = 0; step < steps; ++step) {
    for (const int64_t layer : {0, 2}) {
      trace.layers.push_back(layer);
      const auto other = static_cast<int32_t>(2 + (step * 7 + layer) % 4);
      const auto first = static_cast<int32_t>(layer * 6);
      trace.visits.push_back({first + (step % 5 == 0 ? 1 : 0), first + other});
    }
  }
  return trace;
}

TEST(CacheStudy, HitRatesOfAllPoliciesAndSizes) {
  const ExpertTrace trace = MakeTrace(200);
  const std::vector<double> shares = {0.01, 0.25, 0.5, 1};
  const Result<CacheStudy> study = StudyCache(trace, shares);
  ASSERT_TRUE(study.ok()) << study.status().message();
  EXPECT_THAT(study->policies, ElementsAre("lru", "slru", "lfu", "learnt", "belady"));
  EXPECT_EQ(study->num_experts, 12);
  EXPECT_EQ(study->num_visits, 200);
  ASSERT_EQ(study->rows.size(), 4U);
  EXPECT_EQ(study->rows[0].num_slots, 1);
  EXPECT_EQ(study->rows[1].num_slots, 3);
  EXPECT_EQ(study->rows[3].num_slots, 12);
  for (const CacheStudyRow& row : study->rows) {
    ASSERT_EQ(row.counts.size(), 5U);
    for (const CacheCounts& counts : row.counts) {
      EXPECT_EQ(counts.hits + counts.misses, 400);
      EXPECT_LE(counts.hits, row.counts.back().hits);
    }
  }
  for (const CacheCounts& counts : study->rows[3].counts) EXPECT_EQ(counts.misses, 12);
}

TEST(CacheStudy, Refusals) {
  EXPECT_EQ(StudyCache(ExpertTrace{}, std::vector{0.5}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(StudyCache(MakeTrace(10), std::vector{0.0}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(StudyCache(MakeTrace(10), std::vector{1.5}).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace moiety
