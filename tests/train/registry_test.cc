#include <gmock/gmock.h>

#include <vector>

#include "train/adamw.h"
#include "train/optimizer.h"

namespace moiety {
namespace {

TEST(MakeOptimizer, IsTheOneThatTheConfigNames) {
  OptimizerConfig config;
  config.beta1 = 0.5;
  config.beta2 = 0.25;
  config.eps = 0.125;
  config.weight_decay = 0.5;
  AdamWOptions options;
  options.beta1 = 0.5;
  options.beta2 = 0.25;
  options.eps = 0.125;
  options.weight_decay = 0.5;
  const std::vector<float> gradient = {1, -2, 3};
  std::vector<float> a = {1, 2, 3};
  std::vector<float> b = a;
  MemoryBudget budget;
  auto from_config = MakeOptimizer(config, {{"x", a, gradient, true}}, budget);
  auto from_options = MakeAdamW({{"x", b, gradient, true}}, options, budget);
  ASSERT_TRUE(from_config.ok() && from_options.ok());
  ThreadPool pool(1);
  for (int64_t step = 1; step <= 3; ++step) {
    (*from_config)->Step(pool, step, 0.1, 1);
    (*from_options)->Step(pool, step, 0.1, 1);
  }
  EXPECT_EQ(a, b);
}

TEST(MakeOptimizer, RefusesUnknownNames) {
  OptimizerConfig config;
  config.name = "adam";
  MemoryBudget budget;
  EXPECT_EQ(MakeOptimizer(config, {}, budget).status().message(),
            "unknown optimizer \"adam\": expected one of adamw");
}

}  // namespace
}  // namespace moiety
