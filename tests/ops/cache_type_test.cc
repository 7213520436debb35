#include "ops/cache_type.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/bits.h"
#include "support/random_values.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

TEST(CacheType, NamesAndSizes) {
  EXPECT_EQ(CacheTypeNames(), "f32, f16, q8_0");
  for (const CacheType type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0}) {
    EXPECT_EQ(CacheTypeFromName(CacheTypeName(type)), type);
  }
  EXPECT_FALSE(CacheTypeFromName("q4_0").has_value());
  EXPECT_FALSE(CacheTypeFromName("").has_value());
  EXPECT_EQ(CacheBytes(CacheType::kF32, 64), 256U);
  EXPECT_EQ(CacheBytes(CacheType::kF16, 64), 128U);
  EXPECT_EQ(CacheBytes(CacheType::kQ8_0, 64), 68U);
}

TEST(CacheType, F32IsExact) {
  const std::vector<float> x = RandomValues(96, 1);
  std::vector<std::byte> bytes(CacheBytes(CacheType::kF32, 96));
  std::vector<float> y(96);
  StoreCacheRow(CacheType::kF32, x.data(), 96, bytes.data());
  LoadCacheRow(CacheType::kF32, bytes.data(), 96, y.data());
  EXPECT_TRUE(SameBits(x, y));
}

// Every f16 there is, subnormals, infinities and NaNs included.
TEST(CacheType, F16IsWidenedExactly) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> wide(halves.size());
  LoadCacheRow(CacheType::kF16, reinterpret_cast<const std::byte*>(halves.data()), 65536,
               wide.data());
  std::vector<float> expected;
  for (const uint16_t half : halves) expected.push_back(F16ToF32(half));
  EXPECT_TRUE(SameBits(wide, expected));
  std::vector<uint16_t> back(halves.size());
  StoreCacheRow(CacheType::kF16, wide.data(), 65536, reinterpret_cast<std::byte*>(back.data()));
  for (size_t i = 0; i < halves.size(); ++i) EXPECT_EQ(back[i], F32ToF16(wide[i]));
}

}  // namespace
}  // namespace moiety
