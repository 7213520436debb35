// The tiles of AMX on registers in plain memory, for processors that have none.
#include "kernels/amx/tile_matmul.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "support/random_values.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

// What the instructions do, after the manual: sums of pairs of products, [16][16] f32.
struct PlainTiles {
  static inline std::array<std::array<uint16_t, 512>, 8> values;
  static inline std::array<std::array<float, 256>, 4> sums;
  static inline int configured = 0;

  static void Configure() { ++configured; }
  static void Release() { --configured; }
  template <int kRegister>
  static void Zero() {
    sums[kRegister].fill(0);
  }
  template <int kRegister>
  static void Load(const uint16_t* p, int64_t stride) {
    for (int64_t i = 0; i < 16; ++i) {
      for (int64_t j = 0; j < 32; ++j) {
        values[kRegister][static_cast<size_t>(i * 32 + j)] = p[i * stride + j];
      }
    }
  }
  template <int kSum, int kLeft, int kRight>
  static void Multiply() {
    for (size_t m = 0; m < 16; ++m) {
      for (size_t k = 0; k < 16; ++k) {
        for (size_t n = 0; n < 16; ++n) {
          for (size_t i = 0; i < 2; ++i) {
            sums[kSum][m * 16 + n] += BF16ToF32(values[kLeft][m * 32 + 2 * k + i]) *
                                      BF16ToF32(values[kRight][k * 32 + 2 * n + i]);
          }
        }
      }
    }
  }
  template <int kRegister>
  static void Store(float* p) {
    std::copy(sums[kRegister].begin(), sums[kRegister].end(), p);
  }
};

TEST(TileMatmul, IsTheProductOfRoundedValues) {
  constexpr float kTileGuard = 12345.0F;
  for (const int64_t depth : {1, 31, 32, 33, 100}) {
    for (const int64_t rows : {1, 15, 16, 17, 32, 33, 65}) {
      for (const int64_t outputs : {1, 16, 17, 32, 40}) {
        const auto x = RandomValues(rows * depth, 1);
        const auto bias = RandomValues(outputs, 2);
        std::vector<uint16_t> w;
        for (const float v : RandomValues(outputs * depth, 3)) w.push_back(F32ToBF16(v));
        const int64_t stride = PackedBf16Stride(depth);
        std::vector<uint16_t> packed(static_cast<size_t>((rows + 15) / 16 * 16 * stride), 0x7FC0);
        PackTiles(x.data(), depth, rows, depth, packed.data());
        std::vector<float> y(static_cast<size_t>(rows * (outputs + 1)), kTileGuard);
        TileMatmul<PlainTiles>({.x = packed.data(),
                                .x_stride = stride,
                                .w = w.data(),
                                .bias = rows % 2 == 0 ? bias.data() : nullptr,
                                .y = y.data(),
                                .y_stride = outputs + 1,
                                .rows = rows,
                                .outputs = outputs,
                                .depth = depth});
        EXPECT_EQ(PlainTiles::configured, 0);
        for (int64_t i = 0; i < rows; ++i) {
          const float* row = y.data() + i * (outputs + 1);
          ASSERT_EQ(row[outputs], kTileGuard);
          for (int64_t j = 0; j < outputs; ++j) {
            double sum = rows % 2 == 0 ? static_cast<double>(bias[static_cast<size_t>(j)]) : 0;
            for (int64_t k = 0; k < depth; ++k) {
              sum +=
                  static_cast<double>(BF16ToF32(F32ToBF16(x[static_cast<size_t>(i * depth + k)]))) *
                  static_cast<double>(BF16ToF32(w[static_cast<size_t>(j * depth + k)]));
            }
            ASSERT_NEAR(static_cast<double>(row[j]), sum,
                        static_cast<double>(depth + 1) * 0x1p-24 * static_cast<double>(depth + 1))
                << rows << " × " << depth << " × " << outputs;
          }
        }
      }
    }
  }
}

TEST(TileMatmul, OfPanelsAsOfRows) {
  constexpr int64_t kDepth = 96;
  for (const int64_t rows : {1, 17, 40}) {
    for (const int64_t outputs : {8, 16, 21, 45}) {
      const auto x = RandomValues(rows * kDepth, 1);
      std::vector<uint16_t> w;
      for (const float v : RandomValues(outputs * kDepth, 3)) w.push_back(F32ToBF16(v));
      std::vector<uint16_t> panels = w;
      RowsToNumberPanels(reinterpret_cast<const std::byte*>(w.data()), 2, kDepth, outputs / 8 * 8,
                         reinterpret_cast<std::byte*>(panels.data()));
      std::vector<uint16_t> packed(static_cast<size_t>((rows + 15) / 16 * 16 * kDepth));
      PackTiles(x.data(), kDepth, rows, kDepth, packed.data());
      const auto run = [&](const std::vector<uint16_t>& weights, BlockLayout layout) {
        std::vector<float> y(static_cast<size_t>(rows * outputs));
        TileMatmul<PlainTiles>({.x = packed.data(),
                                .x_stride = kDepth,
                                .w = weights.data(),
                                .bias = nullptr,
                                .y = y.data(),
                                .y_stride = outputs,
                                .rows = rows,
                                .outputs = outputs,
                                .depth = kDepth,
                                .layout = layout});
        return y;
      };
      EXPECT_EQ(run(panels, BlockLayout::kPanels), run(w, BlockLayout::kRows));
    }
  }
}

TEST(TileMatmul, RoundsLikeBf16) {
  for (const float v : AwkwardValues(1000, 4)) EXPECT_EQ(RoundToBf16(v), F32ToBF16(v)) << v;
  EXPECT_TRUE(std::isnan(BF16ToF32(RoundToBf16(std::nanf("")))));
  EXPECT_TRUE(std::isinf(BF16ToF32(RoundToBf16(INFINITY))));
}

}  // namespace
}  // namespace moiety
