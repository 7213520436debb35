// Every table gives the bits of "ref", for every function. What ref itself computes is tested in
// ref_kernels_test.cc.
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "quant/weight_panels.h"
#include "support/bits.h"
#include "support/owned_weight.h"
#include "support/random_values.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::array<int64_t, 13> kSizes = {1, 2, 7, 15, 16, 17, 31, 33, 48, 64, 65, 100, 257};
constexpr std::array kWeightTypes = {DType::kF32, DType::kF16, DType::kBF16};
// Written around outputs: a kernel that writes too much changes it.
constexpr float kGuard = 12345.0F;

class Kernels : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& ref_ = *AvailableKernels().front();
  const KernelTable& table_ = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Tables, Kernels, testing::ValuesIn(AvailableKernels()),
                         [](const auto& table) { return std::string(table.param->isa); });

// `count` values from the first element behind a cache line on, so that no vector is aligned.
class Unaligned {
 public:
  explicit Unaligned(const std::vector<float>& values) : values_(values.size() + 1) {
    std::copy(values.begin(), values.end(), values_.begin() + 1);
  }
  float* data() { return values_.data() + 1; }

 private:
  std::vector<float> values_;
};

struct MatmulCase {
  int64_t rows;
  int64_t outputs;
  int64_t depth;
  int64_t x_stride;
  int64_t y_stride;
  bool bias;
};

// All of y, the gaps between its rows included.
std::vector<float> RunMatmul(const KernelTable& table, size_t type, const MatmulCase& c,
                             std::vector<float> x_values, const std::vector<float>& w_values) {
  Unaligned x(x_values);
  std::vector<std::byte> w = ToBytes(w_values, kWeightTypes[type]);
  const size_t element = DTypeBlockBytes(kWeightTypes[type]);
  w.insert(w.begin(), element, std::byte{0});
  Unaligned bias(AwkwardValues(c.outputs, 3));
  std::vector<float> y(static_cast<size_t>(c.rows * c.y_stride + 1), kGuard);
  table.matmul[type]({.x = x.data(),
                      .x_stride = c.x_stride,
                      .w = w.data() + element,
                      .bias = c.bias ? bias.data() : nullptr,
                      .y = y.data() + 1,
                      .y_stride = c.y_stride,
                      .rows = c.rows,
                      .outputs = c.outputs,
                      .depth = c.depth});
  return y;
}

TEST_P(Kernels, MatmulOfEverySize) {
  for (size_t type = 0; type < kWeightTypes.size(); ++type) {
    for (const int64_t depth : kSizes) {
      for (int64_t rows = 1; rows <= 9; ++rows) {
        // All numbers of outputs modulo the tiles of the tables, over the rows.
        const int64_t outputs = 1 + (rows * 5 + depth) % 19;
        const MatmulCase c = {rows,         outputs, depth, depth + rows % 3, outputs + rows % 2,
                              rows % 2 == 0};
        const auto x = AwkwardValues(c.rows * c.x_stride, 1);
        const auto w = AwkwardValues(c.outputs * c.depth, 2);
        const auto expected = RunMatmul(ref_, type, c, x, w);
        ASSERT_TRUE(SameBits(RunMatmul(table_, type, c, x, w), expected))
            << "type " << type << ", " << rows << " × " << depth << " × " << outputs;
        ASSERT_EQ(expected.front(), kGuard);
        if (c.y_stride > outputs) {
          ASSERT_EQ(expected.back(), kGuard);
        }
      }
    }
  }
}

TEST_P(Kernels, MatmulOfEveryRowAndOutputCount) {
  constexpr int64_t kDepth = 37;
  for (size_t type = 0; type < kWeightTypes.size(); ++type) {
    for (int64_t rows = 0; rows <= 9; ++rows) {
      for (int64_t outputs = 0; outputs <= 17; ++outputs) {
        const MatmulCase c = {rows, outputs, kDepth, kDepth + 3, outputs + 2, outputs % 2 == 1};
        const auto x = RandomValues(rows * c.x_stride, 4);
        const auto w = RandomValues(outputs * kDepth, 5);
        ASSERT_TRUE(SameBits(RunMatmul(table_, type, c, x, w), RunMatmul(ref_, type, c, x, w)))
            << "type " << type << ", rows " << rows << ", outputs " << outputs;
      }
    }
  }
}

// More of each size than the blocks of a table have.
TEST_P(Kernels, MatmulOfManyBlocks) {
  for (size_t type = 0; type < kWeightTypes.size(); ++type) {
    for (const auto& [rows, outputs, depth] : std::vector<std::array<int64_t, 3>>{{8, 31, 511},
                                                                                  {32, 31, 511},
                                                                                  {37, 33, 512},
                                                                                  {96, 32, 513},
                                                                                  {97, 65, 1030},
                                                                                  {199, 3, 16}}) {
      const MatmulCase c = {rows, outputs, depth, depth + 1, outputs + 1, rows % 2 == 0};
      const auto x = AwkwardValues(c.rows * c.x_stride, 4);
      const auto w = AwkwardValues(c.outputs * c.depth, 5);
      ASSERT_TRUE(SameBits(RunMatmul(table_, type, c, x, w), RunMatmul(ref_, type, c, x, w)))
          << "type " << type << ", " << rows << " × " << depth << " × " << outputs;
    }
  }
}

// Weights in panels give what rows give: panels of 8 outputs, and what is behind the last one.
TEST_P(Kernels, MatmulOfPanels) {
  for (size_t type = 0; type < kWeightTypes.size(); ++type) {
    for (const auto& [outputs, depth] :
         std::vector<std::array<int64_t, 2>>{{8, 32}, {12, 64}, {19, 96}, {37, 1056}, {40, 544}}) {
      for (const int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 97}) {
        const auto x = AwkwardValues(rows * depth, 4);
        const auto w = AwkwardValues(outputs * depth, 5);
        const std::vector<std::byte> in_rows = ToBytes(w, kWeightTypes[type]);
        std::vector<std::byte> panels = in_rows;
        MakePanels(kWeightTypes[type], in_rows.data(), depth, outputs / 8 * 8, panels.data());
        const auto run = [&](const KernelTable& table, const std::vector<std::byte>& weights,
                             BlockLayout layout) {
          std::vector<float> y(static_cast<size_t>(rows * outputs), kGuard);
          table.matmul[type]({.x = x.data(),
                              .x_stride = depth,
                              .w = weights.data(),
                              .bias = nullptr,
                              .y = y.data(),
                              .y_stride = outputs,
                              .rows = rows,
                              .outputs = outputs,
                              .depth = depth,
                              .layout = layout});
          return y;
        };
        const std::vector<float> expected = run(ref_, in_rows, BlockLayout::kRows);
        ASSERT_TRUE(SameBits(run(ref_, panels, BlockLayout::kPanels), expected));
        ASSERT_TRUE(SameBits(run(table_, panels, BlockLayout::kPanels), expected))
            << "type " << type << ", " << rows << " × " << depth << " × " << outputs;
      }
    }
  }
}

// A row's result does not depend on how many rows come with it: this is what keeps bits equal over
// batching.
TEST_P(Kernels, MatmulRowsAreIndependent) {
  constexpr int64_t kRows = 9;
  constexpr int64_t kOutputs = 11;
  for (size_t type = 0; type < kWeightTypes.size(); ++type) {
    for (const int64_t depth : {15, 64, 100}) {
      const auto x = RandomValues(kRows * depth, 6);
      const auto w = RandomValues(kOutputs * depth, 7);
      const MatmulCase all = {kRows, kOutputs, depth, depth, kOutputs, false};
      const auto together = RunMatmul(table_, type, all, x, w);
      for (int64_t i = 0; i < kRows; ++i) {
        const MatmulCase one = {1, kOutputs, depth, depth, kOutputs, false};
        const auto alone = RunMatmul(table_, type, one, {x.begin() + i * depth, x.end()}, w);
        ASSERT_EQ(std::memcmp(&alone[1], &together[static_cast<size_t>(1 + i * kOutputs)],
                              kOutputs * sizeof(float)),
                  0);
      }
    }
  }
}

TEST_P(Kernels, MatmulKeepsNanAndInfinity) {
  constexpr int64_t kDepth = 33;
  for (size_t type = 0; type < kWeightTypes.size(); ++type) {
    const MatmulCase c = {2, 3, kDepth, kDepth, 3, false};
    for (const float special : {kNan, kInfinity, -kInfinity}) {
      auto x = RandomValues(2 * kDepth, 8);
      const auto w = std::vector<float>(static_cast<size_t>(3 * kDepth), 0.5F);
      x[32] = special;  // in the last, partial vector of row 0
      const auto y = RunMatmul(table_, type, c, x, w);
      EXPECT_TRUE(SameBits(y, RunMatmul(ref_, type, c, x, w)));
      EXPECT_EQ(std::isnan(y[1]), std::isnan(special));
      EXPECT_EQ(std::isinf(y[2]), std::isinf(special));
      EXPECT_TRUE(std::isfinite(y[4])) << "the other row";
    }
    // Infinite and NaN weights of the narrow types widen to the same.
    auto w = RandomValues(3 * kDepth, 9);
    w[0] = kInfinity;
    w[static_cast<size_t>(2 * kDepth - 1)] = kNan;
    const auto x = std::vector<float>(static_cast<size_t>(2 * kDepth), 1.0F);
    const auto y = RunMatmul(table_, type, c, x, w);
    EXPECT_EQ(y[1], kInfinity);
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_TRUE(std::isfinite(y[3]));
  }
}

// Every f16 and bf16 value, subnormals included, goes through the kernels' own widening.
TEST_P(Kernels, MatmulWidensEveryValue) {
  for (size_t type = 1; type < kWeightTypes.size(); ++type) {
    std::vector<uint16_t> w(65536);
    for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<uint16_t>(i);
    const float x = 1;
    std::vector<float> y(w.size());
    std::vector<float> expected(w.size());
    for (size_t i = 0; i < w.size(); ++i) {
      // The product is added to +0, so -0 becomes +0.
      expected[i] = (type == 1 ? F16ToF32(w[i]) : BF16ToF32(w[i])) + 0.0F;
    }
    table_.matmul[type]({&x, 1, w.data(), nullptr, y.data(), 65536, 1, 65536, 1});
    EXPECT_TRUE(SameBits(y, expected)) << "type " << type;
    // Sixteen at a time: the whole-vector load.
    const std::vector<float> row(16, 1.0F);
    std::vector<float> sums(w.size() / 16);
    std::vector<float> ref_sums(w.size() / 16);
    table_.matmul[type]({row.data(), 16, w.data(), nullptr, sums.data(), 4096, 1, 4096, 16});
    ref_.matmul[type]({row.data(), 16, w.data(), nullptr, ref_sums.data(), 4096, 1, 4096, 16});
    EXPECT_TRUE(SameBits(sums, ref_sums)) << "type " << type;
  }
}

TEST_P(Kernels, Rope) {
  for (const int64_t half : kSizes) {
    const auto values = AwkwardValues(2 * half, 31);
    Unaligned cos(RandomValues(half, 32));
    Unaligned sin(RandomValues(half, 33));
    Unaligned x(values);
    Unaligned expected(values);
    table_.rope(x.data(), cos.data(), sin.data(), half);
    ref_.rope(expected.data(), cos.data(), sin.data(), half);
    const auto n = static_cast<size_t>(2 * half);
    ASSERT_TRUE(SameBits({x.data(), n}, {expected.data(), n})) << half;
  }
}

// y += a · b for both layouts of a; all of y, the gaps between its rows included.
std::vector<float> RunOuterMatmul(const KernelTable& table, size_t type, int64_t rows, int64_t cols,
                                  int64_t depth, bool transposed) {
  const auto a = AwkwardValues(rows * depth, 10);
  const std::vector<std::byte> b = ToBytes(AwkwardValues(depth * cols, 11), kWeightTypes[type]);
  std::vector<float> y = RandomValues(rows * (cols + 2), 12);
  table.outer_matmul[type]({.a = a.data(),
                            .a_stride = transposed ? 1 : depth,
                            .a_step = transposed ? rows : 1,
                            .b = b.data(),
                            .y = y.data(),
                            .y_stride = cols + 2,
                            .rows = rows,
                            .cols = cols,
                            .depth = depth});
  return y;
}

TEST_P(Kernels, OuterMatmulOfEverySize) {
  for (size_t type = 0; type < kWeightTypes.size(); ++type) {
    for (const int64_t cols : kSizes) {
      for (int64_t rows = 0; rows <= 9; ++rows) {
        const int64_t depth = (rows * 5 + cols) % 19;
        for (const bool transposed : {false, true}) {
          ASSERT_TRUE(SameBits(RunOuterMatmul(table_, type, rows, cols, depth, transposed),
                               RunOuterMatmul(ref_, type, rows, cols, depth, transposed)))
              << "type " << type << ", " << rows << " × " << depth << " × " << cols;
        }
      }
    }
  }
}

// In the processor's own arithmetic: close to the exact sum, and the same for one row as for many.
TEST_P(Kernels, MatmulBf16) {
  if (table_.matmul_bf16 == nullptr) return;  // linear_test.cc names the skip
  for (const int64_t depth : {1, 31, 32, 33, 64, 100, 257, 1000}) {
    for (const int64_t rows : {1, 2, 3, 4, 5, 9, 16, 33, 50}) {
      const int64_t outputs = 1 + (rows * 5 + depth) % 47;
      const auto x = RandomValues(rows * (depth + 1), 13);
      std::vector<uint16_t> w;
      for (const float v : RandomValues(outputs * depth, 14)) w.push_back(F32ToBF16(v));
      const auto bias = RandomValues(outputs, 15);
      const auto run = [&](int64_t first, int64_t count) {
        const int64_t stride = PackedBf16Stride(depth);
        std::vector<uint16_t> packed(static_cast<size_t>((count + 15) / 16 * 16 * stride), 0x7FC0);
        table_.pack_bf16(x.data() + first * (depth + 1), depth + 1, count, depth, packed.data());
        std::vector<float> y(static_cast<size_t>(count * (outputs + 1)), kGuard);
        table_.matmul_bf16({.x = packed.data(),
                            .x_stride = stride,
                            .w = w.data(),
                            .bias = rows % 2 == 0 ? bias.data() : nullptr,
                            .y = y.data(),
                            .y_stride = outputs + 1,
                            .rows = count,
                            .outputs = outputs,
                            .depth = depth});
        return y;
      };
      const std::vector<float> y = run(0, rows);
      for (int64_t i = 0; i < rows; ++i) {
        const auto begin = y.begin() + i * (outputs + 1);
        ASSERT_TRUE(SameBits(run(i, 1), std::vector<float>(begin, begin + outputs + 1)));
        ASSERT_EQ(begin[outputs], kGuard);
        for (int64_t j = 0; j < outputs; ++j) {
          double sum = rows % 2 == 0 ? static_cast<double>(bias[static_cast<size_t>(j)]) : 0;
          double magnitude = std::abs(sum);
          for (int64_t k = 0; k < depth; ++k) {
            const double term =
                static_cast<double>(
                    BF16ToF32(F32ToBF16(x[static_cast<size_t>(i * (depth + 1) + k)]))) *
                static_cast<double>(BF16ToF32(w[static_cast<size_t>(j * depth + k)]));
            sum += term;
            magnitude += std::abs(term);
          }
          // A rounding for each of a lane's products and for the levels of the tree.
          const double steps = static_cast<double>(depth) / 16 + 8;
          ASSERT_NEAR(static_cast<double>(begin[j]), sum, steps * 0x1p-23 * magnitude)
              << rows << " × " << depth << " × " << outputs;
        }
      }
    }
  }
}

TEST_P(Kernels, MatmulBf16OfPanels) {
  if (table_.matmul_bf16 == nullptr) return;
  for (const int64_t depth : {32, 96, 1024}) {
    for (const int64_t rows : {1, 2, 3, 4, 5, 16, 33}) {
      for (const int64_t outputs : {8, 13, 40}) {
        const auto x = RandomValues(rows * depth, 13);
        const std::vector<std::byte> in_rows =
            ToBytes(RandomValues(outputs * depth, 14), DType::kBF16);
        std::vector<std::byte> panels = in_rows;
        MakePanels(DType::kBF16, in_rows.data(), depth, outputs / 8 * 8, panels.data());
        std::vector<uint16_t> packed(
            static_cast<size_t>((rows + 15) / 16 * 16 * PackedBf16Stride(depth)));
        table_.pack_bf16(x.data(), depth, rows, depth, packed.data());
        const auto run = [&](const std::vector<std::byte>& weights, BlockLayout layout) {
          std::vector<float> y(static_cast<size_t>(rows * outputs), kGuard);
          table_.matmul_bf16({.x = packed.data(),
                              .x_stride = PackedBf16Stride(depth),
                              .w = weights.data(),
                              .bias = nullptr,
                              .y = y.data(),
                              .y_stride = outputs,
                              .rows = rows,
                              .outputs = outputs,
                              .depth = depth,
                              .layout = layout});
          return y;
        };
        ASSERT_TRUE(SameBits(run(panels, BlockLayout::kPanels), run(in_rows, BlockLayout::kRows)))
            << rows << " × " << depth << " × " << outputs;
      }
    }
  }
}

TEST_P(Kernels, CountsItsOwnCalls) {
  const auto count = [] {
    std::vector<int64_t> counts;
    for (const KernelTable* table : AvailableKernels()) counts.push_back(NumCalls(*table));
    return counts;
  };
  const std::vector<int64_t> before = count();
  RunMatmul(table_, 0, {2, 3, 16, 16, 3, false}, RandomValues(32, 1), RandomValues(48, 2));
  RunOuterMatmul(table_, 0, 2, 3, 4, false);
  if (table_.matmul_bf16 != nullptr) {
    const std::vector<uint16_t> zeros(512);
    float y = 1;
    table_.matmul_bf16({zeros.data(), 32, zeros.data(), nullptr, &y, 1, 1, 1, 32});
    EXPECT_EQ(y, 0);
  }
  const std::vector<int64_t> after = count();
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i] - before[i], AvailableKernels()[i] != &table_ ? 0
                                    : table_.matmul_bf16 != nullptr  ? 3
                                                                     : 2);
  }
}

}  // namespace
}  // namespace moiety
