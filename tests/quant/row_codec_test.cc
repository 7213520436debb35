#include "quant/row_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "quant/block_format.h"

namespace moiety {
namespace {

std::vector<float> Row() {
  std::vector<float> x(512);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i * i));
  return x;
}

std::vector<float> ThereAndBack(DType dtype, const std::vector<float>& x) {
  const auto n = static_cast<int64_t>(x.size());
  std::vector<std::byte> row(DTypeBytes(dtype, x.size()) + 1);
  std::vector<float> y(x.size());
  EncodeRow(dtype, x.data(), nullptr, n, row.data() + 1);  // at an odd address
  DecodeRow(dtype, row.data() + 1, n, y.data());
  return y;
}

TEST(RowCodec, NumbersAreRoundedOnce) {
  const std::vector<float> x = Row();
  EXPECT_EQ(ThereAndBack(DType::kF32, x), x);
  const std::vector<float> f16 = ThereAndBack(DType::kF16, x);
  const std::vector<float> bf16 = ThereAndBack(DType::kBF16, x);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(f16[i], F16ToF32(F32ToF16(x[i])));
    EXPECT_EQ(bf16[i], BF16ToF32(F32ToBF16(x[i])));
  }
}

TEST(RowCodec, EveryFormatOfBlocks) {
  const std::vector<float> x = Row();
  for (const BlockFormat* format : BlockFormats()) {
    EXPECT_TRUE(IsWeightType(format->dtype));
    std::vector<std::byte> blocks(DTypeBytes(format->dtype, x.size()));
    EncodeBlocks(*format, x.data(), nullptr, 512, blocks.data());
    std::vector<float> y(x.size());
    format->decode(blocks.data(), 512, y.data());
    EXPECT_EQ(ThereAndBack(format->dtype, x), y) << DTypeName(format->dtype);
  }
  EXPECT_TRUE(IsWeightType(DType::kBF16));
  EXPECT_FALSE(IsWeightType(DType::kF64));
  EXPECT_FALSE(IsWeightType(DType::kI32));
}

TEST(RowCodec, ValuesThatDoNotFit) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto first = [](DType dtype, std::vector<float> x) {
    return FirstMisfit(dtype, x.data(), static_cast<int64_t>(x.size()));
  };
  const std::vector<DType> all = {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_K};
  for (const DType dtype : all) {
    EXPECT_EQ(first(dtype, {1, 2, 3}), std::nullopt);
    EXPECT_EQ(first(dtype, {1, std::nanf(""), 3}), 1);
    EXPECT_EQ(first(dtype, {1, 2, -kInfinity}), 2);
  }
  // The last value that rounds down, and the next one.
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const float limit = dtype == DType::kF16 ? 65520.0F : 0x1.FFp127F;
    const float below = std::nextafter(limit, 0.0F);
    EXPECT_EQ(first(dtype, {-below}), std::nullopt);
    EXPECT_TRUE(std::isfinite(ThereAndBack(dtype, {-below})[0]));
    EXPECT_EQ(first(dtype, {limit}), 0);
    EXPECT_TRUE(std::isinf(ThereAndBack(dtype, {limit})[0]));
  }
  EXPECT_EQ(first(DType::kF32, {3e38F}), std::nullopt);
}

}  // namespace
}  // namespace moiety
