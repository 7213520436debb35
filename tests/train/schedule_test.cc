#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <numbers>

namespace moiety {
namespace {

ScheduleOptions Schedule(const char* name) {
  ScheduleOptions options;
  options.name = name;
  options.warmup_steps = 10;
  options.min_lr_ratio = 0.1;
  return options;
}

TEST(Schedule, KnowsItsNames) {
  for (const char* name : {"cosine", "linear", "constant", "wsd"}) EXPECT_TRUE(IsSchedule(name));
  for (const char* name : {"", "Cosine", "step"}) EXPECT_FALSE(IsSchedule(name));
}

TEST(Schedule, WarmsUpFromTheFirstStepOn) {
  for (const char* name : {"cosine", "linear", "constant", "wsd"}) {
    ScheduleOptions options = Schedule(name);
    for (int64_t t = 1; t <= 10; ++t) {
      EXPECT_NEAR(LearningRateFactor(options, t, 110), static_cast<double>(t) / 10, 1e-15)
          << name << t;
    }
    options.warmup_steps = 0;
    EXPECT_GT(LearningRateFactor(options, 1, 110), 0.99) << name;
  }
}

TEST(Schedule, FollowsItsFormula) {
  for (int64_t t = 10; t <= 110; ++t) {
    const double u = static_cast<double>(t - 10) / 100;
    EXPECT_NEAR(LearningRateFactor(Schedule("cosine"), t, 110),
                0.1 + 0.9 * 0.5 * (1 + std::cos(std::numbers::pi * u)), 1e-14);
    EXPECT_NEAR(LearningRateFactor(Schedule("linear"), t, 110), 1 - 0.9 * u, 1e-14);
    EXPECT_EQ(LearningRateFactor(Schedule("constant"), t, 110), 1);
    ScheduleOptions wsd = Schedule("wsd");
    wsd.decay_steps = 20;
    EXPECT_NEAR(LearningRateFactor(wsd, t, 110),
                t <= 90 ? 1 : 1 - 0.9 * static_cast<double>(t - 90) / 20, 1e-14);
    wsd.decay_steps = 0;
    EXPECT_EQ(LearningRateFactor(wsd, t, 110), 1);
  }
}

TEST(Schedule, EndsAtTheLowestRateAndStaysThere) {
  for (const char* name : {"cosine", "linear", "wsd"}) {
    ScheduleOptions options = Schedule(name);
    options.decay_steps = 30;
    for (const int64_t t : {110, 111, 1000}) {
      EXPECT_NEAR(LearningRateFactor(options, t, 110), 0.1, 1e-15) << name;
    }
  }
}

TEST(Schedule, AllStepsMayBeWarmup) {
  for (const char* name : {"cosine", "linear", "constant", "wsd"}) {
    const double last = LearningRateFactor(Schedule(name), 9, 10);
    EXPECT_NEAR(last, 0.9, 1e-15) << name;
    EXPECT_TRUE(std::isfinite(LearningRateFactor(Schedule(name), 10, 10))) << name;
  }
}

}  // namespace
}  // namespace moiety
