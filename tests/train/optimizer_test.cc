#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/random_values.h"

namespace moiety {
namespace {

struct Gradients {
  // Sizes around the chunks that tasks add.
  explicit Gradients(double scale) {
    const std::vector<int64_t> sizes = {0, 1, 7, 16383, 16384, 16385, 50000};
    for (size_t i = 0; i < sizes.size(); ++i) {
      values.push_back(RandomValues(sizes[i], i + 1, scale));
    }
    for (const std::vector<float>& v : values) tensors.push_back({"x", {}, v, true});
  }
  std::vector<std::vector<float>> values;
  std::vector<OptimizedTensor> tensors;
};

TEST(GradientNorm, IsTheRootOfTheSumOfSquares) {
  const Gradients gradients(3);
  double sum = 0;
  for (const auto& v : gradients.values) {
    for (const float x : v) sum += static_cast<double>(x) * static_cast<double>(x);
  }
  ThreadPool pool(2);
  EXPECT_NEAR(GradientNorm(pool, gradients.tensors), std::sqrt(sum), 1e-12 * std::sqrt(sum));
  EXPECT_EQ(GradientNorm(pool, {}), 0);
}

TEST(GradientNorm, HasTheSameBitsForAnyNumberOfThreads) {
  const Gradients gradients(1);
  ThreadPool alone(1);
  const double expected = GradientNorm(alone, gradients.tensors);
  for (const int threads : {2, 3, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(GradientNorm(pool, gradients.tensors), expected);
  }
}

TEST(GradientNorm, SquaresNeitherOverflowNorHideNaN) {
  ThreadPool pool(2);
  EXPECT_TRUE(std::isfinite(GradientNorm(pool, Gradients(1e38).tensors)));
  Gradients gradients(1);
  gradients.values[5][16384] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(GradientNorm(pool, gradients.tensors)));
}

}  // namespace
}  // namespace moiety
