// ComputeLogprobs of runtime/sampler.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/sampler.h"
#include "support/random_values.h"

namespace moiety {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Logprobs, AgreeWithDouble) {
  for (const KernelTable* kernels : AvailableKernels()) {
    for (const int64_t count : {1, 2, 17, 4096, 50001}) {
      for (const double scale : {1e-3, 1.0, 30.0}) {
        const std::vector<float> logits = RandomValues(count, 5, scale);
        const double max = *std::max_element(logits.begin(), logits.end());
        double sum = 0;
        for (const float x : logits) sum += std::exp(static_cast<double>(x) - max);
        const auto found = ComputeLogprobs(*kernels, logits, 0);
        ASSERT_TRUE(found.ok());
        // Relative error of an f32 sum: of each exp (1e-7) and of adding count / 16 values in a
        // lane; rounding errors of the adds are of either sign, and values of like size.
        EXPECT_NEAR(found->log_sum, max + std::log(sum),
                    2e-7 * (2 + std::sqrt(static_cast<double>(count))))
            << kernels->isa << " " << count << " " << scale;
        EXPECT_TRUE(found->top.empty());
      }
    }
  }
}

TEST(Logprobs, ListTheBestFirst) {
  const KernelTable& kernels = *AvailableKernels().back();
  const std::vector<float> logits = {1, 3, -kInfinity, 3, 2};
  const double log_sum = std::log(std::exp(1.0) + 2 * std::exp(3.0) + std::exp(2.0));
  for (const int64_t count : {0, 1, 3, 5, 9}) {
    const auto found = ComputeLogprobs(kernels, logits, count);
    ASSERT_TRUE(found.ok());
    const std::vector<int32_t> order = {1, 3, 4, 0, 2};
    ASSERT_EQ(found->top.size(), std::min<size_t>(5, static_cast<size_t>(count)));
    for (size_t i = 0; i < found->top.size(); ++i) {
      EXPECT_EQ(found->top[i].id, order[i]);
      if (order[i] != 2) {
        EXPECT_NEAR(found->top[i].logprob,
                    static_cast<double>(logits[static_cast<size_t>(order[i])]) - log_sum, 1e-6);
      } else {
        EXPECT_EQ(found->top[i].logprob, -kInfinity);
      }
    }
  }
}

TEST(Logprobs, BrokenLogitsAreErrors) {
  const KernelTable& kernels = *AvailableKernels().front();
  const auto code = [&](const std::vector<float>& logits) {
    return ComputeLogprobs(kernels, logits, 1).status().code();
  };
  EXPECT_EQ(code({kNan, 1}), StatusCode::kInvalidData);
  EXPECT_EQ(code({1, kNan}), StatusCode::kInvalidData);
  EXPECT_EQ(code({-kInfinity}), StatusCode::kInvalidData);
  EXPECT_EQ(code({kInfinity, 0}), StatusCode::kInvalidData);
}

}  // namespace
}  // namespace moiety
