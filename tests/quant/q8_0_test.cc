#include "quant/q8_0.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "support/random_values.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

std::vector<float> RoundTrip(const std::vector<float>& x) {
  const auto n = static_cast<int64_t>(x.size());
  std::vector<Q8_0Block> blocks(x.size() / kQ8_0Values);
  std::vector<float> y(x.size());
  EncodeQ8_0(x.data(), n, blocks.data());
  DecodeQ8_0(blocks.data(), n, y.data());
  return y;
}

// The bytes of ggml's quantize_row_q8_0_ref, worked out by hand: d = 2 / 127 and q = round(x / d).
TEST(Q8_0, HasGgmlsBytes) {
  std::vector<float> x(32, 0.0F);
  x[0] = 2;
  x[1] = -2;
  x[2] = 1;         // 63.5 rounds away from zero
  x[3] = -1;        // and so does this
  x[4] = 0.03F;     // 1.905
  x[31] = 0.0078F;  // 0.4953
  Q8_0Block block;
  EncodeQ8_0(x.data(), 32, &block);
  EXPECT_EQ(block.scale, F32ToF16(2.0F / 127.0F));
  const float inverse = 1.0F / (2.0F / 127.0F);
  EXPECT_EQ(block.values[0], 127);
  EXPECT_EQ(block.values[1], -127);
  EXPECT_EQ(block.values[2], static_cast<int>(std::round(inverse)));
  EXPECT_EQ(block.values[3], -block.values[2]);
  EXPECT_EQ(block.values[4], 2);
  EXPECT_EQ(block.values[5], 0);
  EXPECT_EQ(block.values[31], 0);
}

TEST(Q8_0, IsNear) {
  const std::vector<float> x = RandomValues(32 * 50, 1, 3);
  const std::vector<float> y = RoundTrip(x);
  for (size_t b = 0; b < x.size(); b += 32) {
    float largest = 0;
    for (size_t i = b; i < b + 32; ++i) largest = std::max(largest, std::fabs(x[i]));
    // Half a step of rounding, and 2^-11 of the value by the rounded scale.
    const float bound = largest / 127 * 0.501F + largest * 0x1p-11F;
    for (size_t i = b; i < b + 32; ++i) EXPECT_NEAR(x[i], y[i], bound);
  }
}

TEST(Q8_0, ZerosAndTheSmallest) {
  for (const float value : {0.0F, -0.0F, 1e-45F, 1e-38F, -1e-20F}) {
    for (const float y : RoundTrip(std::vector<float>(64, value))) {
      EXPECT_NEAR(y, value, 4e-6F) << value;  // 127 of the smallest f16
    }
  }
}

TEST(Q8_0, BrokenValuesStayBroken) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float value : {inf, -inf, std::numeric_limits<float>::quiet_NaN(), 1e9F}) {
    std::vector<float> x(64, 1.0F);
    x[40] = value;
    const std::vector<float> y = RoundTrip(x);
    EXPECT_NEAR(y[0], 1, 0.01F) << "blocks are on their own";
    for (size_t i = 32; i < 64; ++i) EXPECT_TRUE(std::isnan(y[i]));
  }
}

}  // namespace
}  // namespace moiety
