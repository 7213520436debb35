#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

#include "tensor/shape.h"

namespace moiety {
namespace {

uint32_t Bits(float value) { return std::bit_cast<uint32_t>(value); }

// What 16 bits mean, by the definition of IEEE 754 binary16, in double (exact).
double F16Value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(DType, NamesAndSizesAgree) {
  constexpr std::array<std::string_view, 13> kNames = {
      "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"};
  for (const std::string_view name : kNames) {
    const std::optional<DType> dtype = DTypeFromName(name);
    ASSERT_TRUE(dtype.has_value()) << name;
    EXPECT_EQ(DTypeName(*dtype), name);
    const size_t bits =
        name == "BOOL" ? 8 : std::stoul(std::string(name.substr(name.find_first_of("0123456789"))));
    EXPECT_EQ(DTypeBlockBytes(*dtype), bits / 8) << name;
  }
  for (const std::string_view name : {"", "f32", "F33", "F8_E4M3", "F32 "}) {
    EXPECT_FALSE(DTypeFromName(name).has_value()) << name;
  }
}

TEST(F16, EveryValueReadsExactly) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const double expected = F16Value(bits);
    const float value = F16ToF32(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << i;
    } else {
      ASSERT_EQ(static_cast<double>(value), expected) << i;
    }
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << i;
  }
}

TEST(F16, EveryValueSurvivesTheRoundTrip) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const float value = F16ToF32(bits);
    const uint16_t back = F32ToF16(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(F16ToF32(back)));
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

// Between two neighbours rounding switches exactly at the middle, and the middle goes to the even
// one. Covers all subnormals, the step to normal numbers and the step to infinity.
TEST(F16, RoundsToNearestTiesToEven) {
  for (uint16_t low = 0; low < 0x7C00; ++low) {
    const uint16_t high = low + 1;
    // The neighbour above 65504 would be 65536; half way there values turn to infinity.
    const double above = high == 0x7C00 ? 65536.0 : F16Value(high);
    const auto middle = static_cast<float>((F16Value(low) + above) / 2);  // exact: one more bit
    const uint16_t even = (low & 1) == 0 ? low : high;
    ASSERT_EQ(F32ToF16(middle), even) << low;
    ASSERT_EQ(F32ToF16(std::nextafter(middle, 0.0F)), low) << low;
    ASSERT_EQ(F32ToF16(std::nextafter(middle, 1e30F)), high) << low;
    ASSERT_EQ(F32ToF16(-middle), even | 0x8000) << low;
    ASSERT_EQ(F32ToF16(-std::nextafter(middle, 0.0F)), low | 0x8000) << low;
    ASSERT_EQ(F32ToF16(-std::nextafter(middle, 1e30F)), high | 0x8000) << low;
  }
}

TEST(F16, LimitsOfF32) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(F32ToF16(0.0F), 0);
  EXPECT_EQ(F32ToF16(-0.0F), 0x8000);
  EXPECT_EQ(F32ToF16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(F32ToF16(-std::numeric_limits<float>::min()), 0x8000);
  EXPECT_EQ(F32ToF16(std::numeric_limits<float>::max()), 0x7C00);
  EXPECT_EQ(F32ToF16(kInfinity), 0x7C00);
  EXPECT_EQ(F32ToF16(-kInfinity), 0xFC00);
  for (const uint32_t nan : {0x7F800001U, 0x7FC00000U, 0xFF800001U, 0xFFFFFFFFU}) {
    const uint16_t bits = F32ToF16(std::bit_cast<float>(nan));
    EXPECT_EQ(bits & 0x7C00, 0x7C00);
    EXPECT_NE(bits & 0x03FF, 0);
    EXPECT_EQ(bits >> 15, static_cast<int>(nan >> 31));
  }
}

TEST(BF16, EveryValueReadsExactlyAndSurvives) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const float value = BF16ToF32(static_cast<uint16_t>(i));
    ASSERT_EQ(Bits(value), i << 16);
    const uint16_t back = F32ToBF16(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(BF16ToF32(back))) << i;
      ASSERT_EQ(back, i | 0x40) << i;  // made quiet, payload and sign kept
    } else {
      ASSERT_EQ(back, i);
    }
  }
}

TEST(BF16, RoundsToNearestTiesToEven) {
  for (uint32_t low = 0; low < 0x7F80; ++low) {
    const uint32_t middle = low << 16 | 0x8000;
    for (const uint32_t sign : {0U, 0x80000000U}) {
      const auto rounded = [&](uint32_t bits) {
        return F32ToBF16(std::bit_cast<float>(bits | sign)) & 0x7FFFU;
      };
      ASSERT_EQ(rounded(middle), (low & 1) == 0 ? low : low + 1) << low;
      ASSERT_EQ(rounded(middle - 1), low) << low;
      ASSERT_EQ(rounded(middle + 1), low + 1) << low;
    }
  }
}

TEST(BF16, NanStaysNanAndLargeBecomesInfinity) {
  for (const uint32_t nan : {0x7F800001U, 0x7F80FFFFU, 0x7FFFFFFFU, 0xFF800001U, 0xFFFFFFFFU}) {
    const uint16_t bits = F32ToBF16(std::bit_cast<float>(nan));
    EXPECT_TRUE(std::isnan(BF16ToF32(bits)));
    EXPECT_EQ(bits >> 15, static_cast<int>(nan >> 31));
  }
  EXPECT_EQ(F32ToBF16(std::numeric_limits<float>::max()), 0x7F80);
}

TEST(Shape, CountsElements) {
  EXPECT_EQ(NumElements({}), 1);
  EXPECT_EQ(NumElements({3, 4, 5}), 60);
  EXPECT_EQ(NumElements({0, 7}), 0);
  EXPECT_EQ(NumElements({INT64_MAX}), INT64_MAX);
  EXPECT_FALSE(NumElements({-1}).has_value());
  EXPECT_FALSE(NumElements({-16, -16}).has_value());
  EXPECT_FALSE(NumElements({int64_t{1} << 32, int64_t{1} << 31}).has_value());
  EXPECT_FALSE(NumElements({int64_t{1} << 32, int64_t{1} << 32, 256}).has_value());
}

TEST(Shape, Prints) {
  EXPECT_EQ(ShapeString({}), "[]");
  EXPECT_EQ(ShapeString({4096, 192}), "[4096, 192]");
}

}  // namespace
}  // namespace moiety
