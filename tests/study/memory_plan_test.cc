#include "study/memory_plan.h"

#include <gtest/gtest.h>

namespace moiety {
namespace {

// 100 experts of 10 bytes in 5 layers, two per token; 200 bytes besides.
constexpr StreamNeeds kNeeds = {200, 1000, 12, 100, 5};

ModelInfo TopTwo() {
  ModelInfo info;
  info.top_k = 2;
  return info;
}

TEST(MemoryPlan, EverythingFits) {
  const MemoryPlan plan = PlanMemory(kNeeds, TopTwo(), 1250, 50, {300, 10});
  EXPECT_FALSE(plan.streamed);
  EXPECT_EQ(plan.resident_bytes, 1200U);
  EXPECT_EQ(plan.num_slots, 100);
  EXPECT_EQ(plan.token_bytes, 300U);
  EXPECT_EQ(plan.token_disk_bytes, 0U);
  EXPECT_DOUBLE_EQ(plan.tokens_per_s, 1);
}

TEST(MemoryPlan, WhatDoesNotFitIsStreamed) {
  const MemoryPlan plan = PlanMemory(kNeeds, TopTwo(), 550, 50, {300, 10});
  EXPECT_TRUE(plan.streamed);
  EXPECT_EQ(plan.resident_bytes, 200U);
  EXPECT_EQ(plan.streamed_bytes, 1000U);
  EXPECT_EQ(plan.num_slots, 25);
  EXPECT_DOUBLE_EQ(plan.hit_rate, 0.25);
  EXPECT_EQ(plan.token_disk_bytes, 75U);
  EXPECT_DOUBLE_EQ(plan.tokens_per_s, 1 / 8.5);
  EXPECT_EQ(plan.least_bytes, 200U + 24 + 50);
  const MemoryPlan traced = PlanMemory(kNeeds, TopTwo(), 550, 50, {300, 10}, 0.75);
  EXPECT_EQ(traced.token_disk_bytes, 25U);
  EXPECT_DOUBLE_EQ(traced.tokens_per_s, 1 / 3.5);
}

TEST(MemoryPlan, TooLittle) {
  const MemoryPlan plan = PlanMemory(kNeeds, TopTwo(), 273, 50, {300, 10});
  EXPECT_EQ(plan.num_slots, 0);
  EXPECT_EQ(plan.tokens_per_s, 0);
  const StreamNeeds dense = {200, 0, 0, 0, 0};
  EXPECT_EQ(PlanMemory(dense, {}, 249, 50, {300, 10}).least_bytes, 250U);
  EXPECT_FALSE(PlanMemory(dense, {}, 250, 50, {300, 10}).streamed);
}

}  // namespace
}  // namespace moiety
