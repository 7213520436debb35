// Products with weights in blocks, and the activations that they take: every table gives the bits
// of "ref", and ref what the format says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/format.h"
#include "kernels/kernels.h"
#include "quant/block_format.h"
#include "support/bits.h"
#include "support/random_values.h"

namespace moiety {

#if defined(__x86_64__)
extern const KernelTable kAvx512Kernels;  // as it is where there is no VNNI
#endif

namespace {

std::vector<const KernelTable*> Tables() {
  std::vector<const KernelTable*> tables = AvailableKernels();
#if defined(__x86_64__)
  if (SelectKernels("avx512").ok()) tables.push_back(&kAvx512Kernels);
#endif
  return tables;
}

constexpr float kBlockGuard = 12345.0F;

// Blocks of any bytes whose values are numbers.
std::vector<std::byte> RandomBlocks(const BlockFormat& format, int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> blocks(static_cast<size_t>(n / format.num_values * format.num_bytes));
  std::vector<float> values(static_cast<size_t>(format.num_values));
  for (std::byte* block = blocks.data(); block != blocks.data() + blocks.size();
       block += format.num_bytes) {
    do {
      std::generate_n(block, format.num_bytes,
                      [&] { return static_cast<std::byte>(random() & 255); });
      format.decode(block, format.num_values, values.data());
    } while (
        !std::all_of(values.begin(), values.end(), [](float v) { return std::fabs(v) < 1e9F; }));
  }
  return blocks;
}

struct Quantized {
  std::vector<int8_t> values;
  std::vector<float> scales;
  std::vector<int16_t> sums;
  QuantizedRows rows() const { return {values.data(), scales.data(), sums.data()}; }
};

Quantized Quantize(const KernelTable& table, const std::vector<float>& x, int64_t rows,
                   int64_t depth, int64_t block_values) {
  const auto count = static_cast<size_t>(rows * depth);
  Quantized q = {std::vector<int8_t>(count),
                 std::vector<float>(count / static_cast<size_t>(block_values)),
                 std::vector<int16_t>(count / static_cast<size_t>(block_values) *
                                      static_cast<size_t>(BlockSums(block_values)))};
  table.quantize_rows({.x = x.data(),
                       .x_stride = static_cast<int64_t>(x.size()) / std::max<int64_t>(rows, 1),
                       .rows = rows,
                       .depth = depth,
                       .block_values = block_values,
                       .values = q.values.data(),
                       .scales = q.scales.data(),
                       .sums = q.sums.data()});
  return q;
}

std::vector<float> Multiply(const KernelTable& table, const BlockFormat& format, const Quantized& x,
                            const std::vector<std::byte>& w, int64_t rows, int64_t outputs,
                            int64_t depth, const float* bias,
                            BlockLayout layout = BlockLayout::kRows) {
  const int64_t y_stride = outputs + rows % 2;
  std::vector<float> y(static_cast<size_t>(rows * y_stride + 1), kBlockGuard);
  table.block_matmul({.format = format.dtype,
                      .layout = layout,
                      .x = x.rows(),
                      .w = w.data(),
                      .bias = bias,
                      .y = y.data(),
                      .y_stride = y_stride,
                      .rows = rows,
                      .outputs = outputs,
                      .depth = depth});
  return y;
}

std::vector<std::byte> InPanels(const BlockFormat& format, const std::vector<std::byte>& rows,
                                int64_t outputs, int64_t depth) {
  std::vector<std::byte> panels = rows;
  RowsToPanels(format, rows.data(), depth / format.num_values,
               outputs / kPanelOutputs * kPanelOutputs, panels.data());
  return panels;
}

class BlockKernels : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& ref_ = *AvailableKernels().front();
  const KernelTable& table_ = *GetParam();
};
INSTANTIATE_TEST_SUITE_P(Tables, BlockKernels, testing::ValuesIn(Tables()), [](const auto& table) {
  return Format("{}_{}", table.param->isa, table.index);
});

TEST_P(BlockKernels, QuantizeRows) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const int64_t block_values : {int64_t{32}, int64_t{256}}) {
    for (const int64_t rows : {0, 1, 3}) {
      const int64_t depth = 3 * block_values;
      std::vector<float> x = RandomValues(rows * (depth + 5), 7);
      if (rows > 1) {
        const std::vector<float> awkward = AwkwardValues(depth + 5, 3);
        std::copy(awkward.begin(), awkward.end(), x.begin());
        x[static_cast<size_t>(depth + 5 + 2)] = kInfinity;
        for (int64_t i = 0; i < block_values; ++i) {  // ties, and values too small
          x[static_cast<size_t>(2 * (depth + 5) + i)] = i == 0 ? 127.0F : static_cast<float>(i) / 2;
          x[static_cast<size_t>(2 * (depth + 5) + block_values + i)] = 1e-38F;
        }
      }
      const Quantized expected = Quantize(ref_, x, rows, depth, block_values);
      const Quantized got = Quantize(table_, x, rows, depth, block_values);
      EXPECT_EQ(got.values, expected.values);
      EXPECT_EQ(got.sums, expected.sums);
      ASSERT_TRUE(SameBits(got.scales, expected.scales)) << block_values;
    }
  }
}

TEST_P(BlockKernels, MultiplyEveryFormatAndSize) {
  for (const BlockFormat* format : BlockFormats()) {
    for (const int64_t blocks : {1, 2, 5, 9}) {
      for (const int64_t rows : {0, 1, 2, 3, 4, 5, 7, 8, 13, 30}) {
        const int64_t outputs = (rows * 7 + blocks * 3) % 37;
        const int64_t depth = blocks * format->num_values;
        const std::vector<std::byte> w = RandomBlocks(*format, outputs * depth, 5);
        const Quantized x =
            Quantize(ref_, RandomValues(rows * depth, 11), rows, depth, format->num_values);
        const std::vector<float> bias_values = RandomValues(outputs, 3);
        const float* bias = rows % 2 == 1 ? bias_values.data() : nullptr;
        const auto expected = Multiply(ref_, *format, x, w, rows, outputs, depth, bias);
        ASSERT_EQ(expected.back(), kBlockGuard);
        ASSERT_TRUE(SameBits(Multiply(table_, *format, x, w, rows, outputs, depth, bias), expected))
            << DTypeName(format->dtype) << ", " << rows << " × " << depth << " × " << outputs;
        const std::vector<std::byte> panels = InPanels(*format, w, outputs, depth);
        ASSERT_TRUE(SameBits(
            Multiply(table_, *format, x, panels, rows, outputs, depth, bias, BlockLayout::kPanels),
            expected))
            << DTypeName(format->dtype) << ", " << rows << " × " << depth << " × " << outputs;
      }
    }
  }
}

// More rows than a chunk, and the extremes of every integer.
TEST_P(BlockKernels, MultiplyManyRowsAndExtremes) {
  for (const BlockFormat* format : BlockFormats()) {
    const int64_t depth = 2 * format->num_values;
    const int64_t rows = 133;
    const int64_t outputs = 19;
    std::vector<float> extremes(static_cast<size_t>(rows * depth));
    // Rows of one sign, so that no sum cancels, and of both.
    for (size_t i = 0; i < extremes.size(); ++i) {
      const size_t row = i / static_cast<size_t>(depth);
      extremes[i] = row % 3 == 0 ? 1.0F : row % 3 == 1 ? -1.0F : i / 3 % 2 == 0 ? 1.0F : -1.0F;
    }
    const Quantized x = Quantize(ref_, extremes, rows, depth, format->num_values);
    std::vector<std::byte> w = RandomBlocks(*format, outputs * depth, 9);
    // Bytes of all ones, zeros and the ends of what has a sign, where no value becomes too large.
    constexpr std::byte kExtremes[] = {std::byte{255}, std::byte{0}, std::byte{128},
                                       std::byte{127}};
    std::vector<float> values(static_cast<size_t>(format->num_values));
    for (size_t i = 0; i < w.size(); i += static_cast<size_t>(format->num_bytes)) {
      std::vector<std::byte> block(w.begin() + static_cast<int64_t>(i),
                                   w.begin() + static_cast<int64_t>(i) + format->num_bytes);
      for (size_t j = 4; j + 4 < block.size(); ++j)
        block[j] = kExtremes[i / static_cast<size_t>(format->num_bytes) % 4];
      format->decode(block.data(), format->num_values, values.data());
      if (std::all_of(values.begin(), values.end(), [](float v) { return std::fabs(v) < 1e9F; })) {
        std::copy(block.begin(), block.end(), w.begin() + static_cast<int64_t>(i));
      }
    }
    for (const int64_t some : {int64_t{1}, int64_t{4}, rows}) {
      const auto expected = Multiply(ref_, *format, x, w, some, outputs, depth, nullptr);
      ASSERT_TRUE(
          SameBits(Multiply(table_, *format, x, w, some, outputs, depth, nullptr), expected))
          << DTypeName(format->dtype) << ", rows " << some;
      ASSERT_TRUE(SameBits(Multiply(table_, *format, x, InPanels(*format, w, outputs, depth), some,
                                    outputs, depth, nullptr, BlockLayout::kPanels),
                           expected))
          << DTypeName(format->dtype) << ", rows " << some;
    }
  }
}

// One row gives the bits of many.
TEST_P(BlockKernels, RowsDoNotDependOnEachOther) {
  for (const BlockFormat* format : BlockFormats()) {
    const int64_t depth = 3 * format->num_values;
    const int64_t outputs = 33;
    const std::vector<float> values = RandomValues(20 * depth, 2);
    const std::vector<std::byte> w = RandomBlocks(*format, outputs * depth, 4);
    const auto all =
        Multiply(table_, *format, Quantize(table_, values, 20, depth, format->num_values), w, 20,
                 outputs, depth, nullptr);
    for (int64_t row = 0; row < 20; ++row) {
      const std::vector<float> x(values.begin() + row * depth, values.begin() + (row + 1) * depth);
      const auto one = Multiply(table_, *format, Quantize(table_, x, 1, depth, format->num_values),
                                w, 1, outputs, depth, nullptr);
      ASSERT_TRUE(std::equal(one.begin(), one.begin() + outputs, all.begin() + row * outputs));
    }
  }
}

// What a product of the format's own values gives, but for the rounding of the activations.
TEST(BlockMatmul, IsTheProductOfTheDecodedValues) {
  for (const BlockFormat* format : BlockFormats()) {
    const int64_t depth = 4 * format->num_values;
    const int64_t outputs = 5;
    std::vector<std::byte> w(
        static_cast<size_t>(outputs * depth / format->num_values * format->num_bytes));
    EncodeBlocks(*format, RandomValues(outputs * depth, 1).data(), nullptr, outputs * depth,
                 w.data());
    std::vector<float> decoded(static_cast<size_t>(outputs * depth));
    format->decode(w.data(), outputs * depth, decoded.data());
    const KernelTable& ref = *AvailableKernels().front();
    const Quantized x = Quantize(ref, RandomValues(depth, 2), 1, depth, format->num_values);
    const auto y = Multiply(ref, *format, x, w, 1, outputs, depth, nullptr);
    for (int64_t j = 0; j < outputs; ++j) {
      double sum = 0;
      double size = 0;
      for (int64_t k = 0; k < depth; ++k) {
        const auto product =
            static_cast<double>(decoded[static_cast<size_t>(j * depth + k)]) *
            static_cast<double>(x.scales[static_cast<size_t>(k / format->num_values)]) *
            x.values[static_cast<size_t>(k)];
        sum += product;
        size += std::fabs(product);
      }
      ASSERT_NEAR(static_cast<double>(y[static_cast<size_t>(j)]), sum, 1e-6 * size)
          << DTypeName(format->dtype);
    }
  }
}

}  // namespace
}  // namespace moiety
