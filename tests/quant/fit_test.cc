#include "quant/fit.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "support/random_values.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

constexpr std::array<int16_t, 4> kTable = {-10, -1, 2, 7};

TEST(Fit, WeightsAreImportanceAndSize) {
  const std::array<float, 4> x = {0, 1, -1, 2};
  std::array<float, 4> weights;
  FitWeights(x.data(), nullptr, 4, weights.data());
  const float mean_square = 1.5F;
  for (size_t i = 0; i < 4; ++i)
    EXPECT_FLOAT_EQ(weights[i], std::sqrt(1 + x[i] * x[i] / mean_square));
  const std::array<float, 4> importance = {0, 4, 0, 0};
  FitWeights(x.data(), importance.data(), 4, weights.data());
  EXPECT_FLOAT_EQ(weights[0], 1e-4F);
  EXPECT_FLOAT_EQ(weights[1], 4 * std::sqrt(1 + 1 / mean_square));
  const std::array<float, 4> zeros = {};
  FitWeights(zeros.data(), zeros.data(), 4, weights.data());
  for (const float weight : weights) EXPECT_EQ(weight, 1);
}

// Values that lie on the grid are found again, whichever end the largest takes.
TEST(Fit, FindsTheScaleOfAGrid) {
  const std::vector<float> weights(6, 1.0F);
  const std::vector<float> low = {-0.8F, 0.7F, 0.1F, 0, -0.3F, 0.5F};
  EXPECT_NEAR(FitScale(low, weights.data(), -8, 7), 0.1F, 1e-6F);
  const std::vector<float> high = {0.8F, -0.7F, -0.1F, 0, 0.3F, -0.5F};
  EXPECT_NEAR(FitScale(high, weights.data(), -8, 7), -0.1F, 1e-6F);
  EXPECT_EQ(FitScale(std::vector<float>(6), weights.data(), -8, 7), 0);
}

TEST(Fit, FindsScaleAndMinimumOfAGrid) {
  const std::vector<float> weights(5, 1.0F);
  const std::vector<float> around = {-0.5F, 1.0F, 0.0F, 0.4F, -0.1F};
  ScaleAndMinimum fit = FitScaleAndMinimum(around, weights.data(), 15);
  EXPECT_NEAR(fit.scale, 0.1F, 1e-6F);
  EXPECT_NEAR(fit.minimum, 0.5F, 1e-6F);
  const std::vector<float> above = {10.0F, 11.5F, 10.1F, 10.7F, 11.0F};
  fit = FitScaleAndMinimum(above, weights.data(), 15, MinimumSign::kAny);
  EXPECT_NEAR(fit.scale, 0.1F, 1e-5F);
  EXPECT_NEAR(fit.minimum, -10.0F, 1e-4F);
  EXPECT_GE(FitScaleAndMinimum(above, weights.data(), 15).minimum, 0);
  // All the same: a minimum is enough below 0, a scale above.
  fit = FitScaleAndMinimum(std::vector<float>(5, -2.0F), weights.data(), 15);
  EXPECT_NEAR(fit.scale * 0 - fit.minimum, -2.0F, 0.14F);
}

TEST(Fit, TablesNeedNotBeEven) {
  for (const float scale : {0.5F, -0.25F}) {
    std::vector<float> x;
    for (const int entry : {-10, 2, 2, 7, -1}) x.push_back(scale * static_cast<float>(entry));
    const std::vector<float> weights(x.size(), 1.0F);
    EXPECT_NEAR(FitScaleOfTable(x, weights.data(), kTable), scale, 1e-6F);
  }
}

TEST(Fit, ClosestIsClosest) {
  for (int i = -60; i <= 60; ++i) {
    const float x = static_cast<float>(i) * 0.25F + 0.01F;
    const int64_t index = ClosestInTable(x, 1, kTable);
    for (const int16_t entry : kTable) {
      EXPECT_LE(std::fabs(x - static_cast<float>(kTable[static_cast<size_t>(index)])),
                std::fabs(x - static_cast<float>(entry)));
    }
  }
  EXPECT_EQ(ClosestInTable(5, 0, kTable), 1);
  EXPECT_EQ(ClosestInTable(20, 2, kTable), 3);
}

TEST(Fit, IntegersStayInTheirRange) {
  EXPECT_EQ(QuantizeTo(3.4F, 1, -8, 7), 3);
  EXPECT_EQ(QuantizeTo(100, 1, -8, 7), 7);
  EXPECT_EQ(QuantizeTo(100, -1, -8, 7), -8);
  EXPECT_EQ(QuantizeTo(100, 0, -8, 7), 0);
  EXPECT_EQ(QuantizeTo(100, 0, 1, 7), 1);
  EXPECT_EQ(QuantizeTo(3e38F, 1e-45F, 0, 63), 63);
}

TEST(Fit, ScalesAreFinite) {
  EXPECT_EQ(F16ToF32(FiniteF16(1e30F)), 65504);
  EXPECT_EQ(F16ToF32(FiniteF16(-1e30F)), -65504);
  EXPECT_EQ(F16ToF32(FiniteF16(0.5F)), 0.5F);
}

}  // namespace
}  // namespace moiety
