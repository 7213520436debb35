#include "store/random_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/owned_weight.h"

namespace moiety {
namespace {

std::vector<std::byte> RandomMatrix(const RandomWeights& random, const std::string& name,
                                    int64_t count, int threads = 1) {
  ThreadPool pool(threads);
  std::vector<std::byte> bytes(DTypeBytes(random.dtype, static_cast<uint64_t>(count)));
  FillRandomMatrix(pool, random, name, count, bytes.data());
  return bytes;
}

TEST(RandomWeights, HaveTheStatedDistribution) {
  constexpr int64_t kCount = 200'003;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const std::vector<float> values = FromBytes(RandomMatrix({dtype, 1}, "w", kCount), dtype);
    double sum = 0;
    double squares = 0;
    float largest = 0;
    for (const float value : values) {
      sum += value;
      squares += static_cast<double>(value) * value;
      largest = std::max(largest, std::fabs(value));
      ASSERT_NE(value, 0);
    }
    // The mean of n values deviates by 0.02 / √n = 4.5e-5; the mean square by less than 1 %.
    EXPECT_NEAR(sum / kCount, 0, 3e-4) << DTypeName(dtype);
    EXPECT_NEAR(std::sqrt(squares / kCount), 0.02, 2e-4) << DTypeName(dtype);
    EXPECT_NEAR(largest, 0.02 * std::sqrt(3.0), 2e-4) << DTypeName(dtype);
  }
}

TEST(RandomWeights, OfAnotherDeviation) {
  const auto deviation_of = [](float deviation) {
    double squares = 0;
    for (const float value :
         FromBytes(RandomMatrix({DType::kF32, 1, deviation}, "w", 10'000), DType::kF32)) {
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    return std::sqrt(squares / 10'000);
  };
  for (const float deviation : {0.006F, 1.0F}) {
    EXPECT_NEAR(deviation_of(deviation) / static_cast<double>(deviation), 1, 0.02);
  }
}

TEST(RandomWeights, AreTheSameForAnyNumberOfThreads) {
  for (const int64_t count : {1, 7, 8, 9, 65'536, 65'537, 300'001}) {
    const auto expected = RandomMatrix({DType::kBF16, 3}, "w", count);
    for (const int threads : {2, 5}) {
      EXPECT_EQ(RandomMatrix({DType::kBF16, 3}, "w", count, threads), expected) << count;
    }
  }
}

TEST(RandomWeights, DependOnSeedAndName) {
  const auto one = RandomMatrix({DType::kF32, 1}, "a", 100);
  EXPECT_NE(RandomMatrix({DType::kF32, 2}, "a", 100), one);
  EXPECT_NE(RandomMatrix({DType::kF32, 1}, "b", 100), one);
}

TEST(RandomWeights, GainsAreOneAndBiasesRandom) {
  ThreadPool pool(2);
  const RandomWeights random;
  std::vector<float> gain(100);
  std::vector<float> bias(100);
  FillRandomVector(pool, random, "model.norm.weight", 100, gain.data());
  FillRandomVector(pool, random, "q_proj.bias", 100, bias.data());
  EXPECT_EQ(gain, std::vector<float>(100, 1.0F));
  for (size_t i = 0; i < bias.size(); ++i) {
    EXPECT_NE(bias[i], 0);
    EXPECT_LT(std::fabs(bias[i]), 0.035);
    if (i > 0) {
      EXPECT_NE(bias[i], bias[i - 1]);
    }
  }
}

}  // namespace
}  // namespace moiety
