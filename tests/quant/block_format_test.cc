#include "quant/block_format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "quant/formats.h"
#include "support/paths.h"
#include "support/random_values.h"
#include "support/tensor_file.h"

namespace moiety {
namespace {

std::vector<float> Decode(const BlockFormat& format, const std::vector<std::byte>& blocks) {
  const int64_t n = static_cast<int64_t>(blocks.size()) / format.num_bytes * format.num_values;
  std::vector<float> y(static_cast<size_t>(n));
  format.decode(blocks.data(), n, y.data());
  return y;
}

std::vector<std::byte> Encode(const BlockFormat& format, const std::vector<float>& x,
                              const float* importance = nullptr) {
  const auto n = static_cast<int64_t>(x.size());
  std::vector<std::byte> blocks(static_cast<size_t>(n / format.num_values * format.num_bytes));
  EncodeBlocks(format, x.data(), importance, n, blocks.data());
  return blocks;
}

double Error(const std::vector<float>& x, const std::vector<float>& y,
             const float* weights = nullptr) {
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    error += difference * difference * (weights == nullptr ? 1.0 : static_cast<double>(weights[i]));
  }
  return error;
}

class BlockFormatTest : public testing::TestWithParam<const BlockFormat*> {
 protected:
  const BlockFormat& format_ = *GetParam();
  std::string name_{DTypeName(format_.dtype)};
};

TEST_P(BlockFormatTest, AgreesWithTheTableOfTypes) {
  EXPECT_EQ(BlockFormatOf(format_.dtype), &format_);
  EXPECT_EQ(format_.num_values, static_cast<int64_t>(DTypeBlockValues(format_.dtype)));
  EXPECT_EQ(format_.num_bytes, static_cast<int64_t>(DTypeBlockBytes(format_.dtype)));
}

// Values that gguf-py computes from bytes that it or GGML made, and from random ones.
TEST_P(BlockFormatTest, DecodesAsTheReference) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const TensorFile file(SharedPath("conformance/gguf/vectors.safetensors"));
  for (const std::string part : {"", "fuzz_"}) {
    const std::vector<std::byte> bytes = file.Bytes(name_ + "." + part + "bytes");
    const std::vector<float> expected = file.Floats(name_ + "." + part + "values");
    const std::vector<float> y = Decode(format_, bytes);
    ASSERT_EQ(y.size(), expected.size());
    ASSERT_FALSE(y.empty());
    const auto values = static_cast<size_t>(format_.num_values);
    for (size_t first = 0; first < y.size(); first += values) {
      float largest = 0;
      for (size_t i = first; i < first + values; ++i)
        largest = std::fmax(largest, std::fabs(expected[i]));
      for (size_t i = first; i < first + values; ++i)
        ASSERT_NEAR(y[i], expected[i], 1e-6F * largest) << part << i;
    }
  }
}

// No more is lost than where GGML (or gguf-py) wrote the bytes.
TEST_P(BlockFormatTest, EncodesAsWellAsTheReference) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const TensorFile file(SharedPath("conformance/gguf/vectors.safetensors"));
  const std::vector<float> x = file.Floats("source");
  const double reference = Error(x, Decode(format_, file.Bytes(name_ + ".bytes")));
  const double ours = Error(x, Decode(format_, Encode(format_, x)));
  EXPECT_LE(ours, 1.02 * reference);
}

TEST_P(BlockFormatTest, WhatItWroteStays) {
  const std::vector<float> x = RandomValues(10 * format_.num_values, 1);
  const std::vector<float> once = Decode(format_, Encode(format_, x));
  const std::vector<float> twice = Decode(format_, Encode(format_, once));
  EXPECT_LE(Error(once, twice), 1e-2 * Error(x, once));
}

TEST_P(BlockFormatTest, KeepsZerosAndConstants) {
  const auto n = static_cast<size_t>(2 * format_.num_values);
  for (const float value : {0.0F, -0.0F, 1.0F, -1.0F, 1e-30F, 3e4F}) {
    const std::vector<float> y = Decode(format_, Encode(format_, std::vector<float>(n, value)));
    for (const float back : y) {
      ASSERT_TRUE(std::isfinite(back));
      if (std::fabs(value) >= 1 || value == 0) {
        ASSERT_NEAR(back, value, 0.1F * std::fabs(value)) << value;
      }
    }
  }
}

TEST_P(BlockFormatTest, AnyValuesGiveFiniteBlocks) {
  std::vector<float> x = AwkwardValues(64 * format_.num_values, 7);
  for (const float largest : {3.4e38F, 1e-45F, 1e5F}) {
    x[5] = largest;
    for (const float y : Decode(format_, Encode(format_, x))) ASSERT_TRUE(std::isfinite(y));
  }
}

// Where importance lies, less is lost; and what has none is not thrown away.
TEST_P(BlockFormatTest, ImportanceCounts) {
  if (format_.dtype == DType::kQ8_0) GTEST_SKIP() << "Q8_0 rounds each value by itself";
  const std::vector<float> x = RandomValues(200 * format_.num_values, 3);
  std::vector<float> importance(x.size());
  for (size_t i = 0; i < x.size(); ++i) importance[i] = i % 7 == 0 ? 100.0F : 1.0F;
  const std::vector<float> plain = Decode(format_, Encode(format_, x));
  const std::vector<float> weighted = Decode(format_, Encode(format_, x, importance.data()));
  EXPECT_LT(Error(x, weighted, importance.data()), Error(x, plain, importance.data()));
  std::fill(importance.begin(), importance.end(), 0.0F);
  const std::vector<float> nothing = Decode(format_, Encode(format_, x, importance.data()));
  EXPECT_LE(Error(x, nothing), 1.01 * Error(x, plain));
}

INSTANTIATE_TEST_SUITE_P(Formats, BlockFormatTest,
                         testing::ValuesIn(BlockFormats().begin(), BlockFormats().end()),
                         [](const auto& format) {
                           return std::string(DTypeName(format.param->dtype));
                         });

TEST(BlockFormat, NumbersHaveNone) {
  EXPECT_EQ(BlockFormatOf(DType::kF32), nullptr);
  EXPECT_EQ(BlockFormatOf(DType::kBF16), nullptr);
  EXPECT_EQ(DTypeBytes(DType::kBF16, 10), 20U);
  EXPECT_EQ(DTypeBytes(DType::kQ4_K, 512), 288U);
}

}  // namespace
}  // namespace moiety
