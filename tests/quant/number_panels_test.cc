#include "quant/number_panels.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "quant/row_codec.h"
#include "support/random_values.h"

namespace moiety {
namespace {

TEST(NumberPanels, HoldThirtyTwoValuesOfEachOutputInTurn) {
  constexpr int64_t kDepth = 64;
  std::vector<uint16_t> rows(kNumberPanelOutputs * kDepth);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<uint16_t>(i);
  std::vector<uint16_t> panel(rows.size());
  RowsToNumberPanels(reinterpret_cast<const std::byte*>(rows.data()), 2, kDepth,
                     kNumberPanelOutputs, reinterpret_cast<std::byte*>(panel.data()));
  for (int64_t output = 0; output < kNumberPanelOutputs; ++output) {
    const NumberRow at = NumberRowAt(BlockLayout::kPanels, kNumberPanelOutputs, kDepth, output);
    EXPECT_TRUE(at.in_panel);
    for (int64_t k = 0; k < kDepth; ++k) {
      EXPECT_EQ(panel[static_cast<size_t>((k / 32 * 8 + output) * 32 + k % 32)],
                output * kDepth + k);
      EXPECT_EQ(panel[static_cast<size_t>(at.begin + k / 32 * at.step + k % 32)],
                output * kDepth + k);
    }
  }
}

TEST(NumberPanels, RowsComeBackAsTheyWere) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t depth : {32, 96}) {
      for (const int64_t rows : {8, 13, 24, 40}) {
        const auto values = RandomValues(rows * depth, 3);
        const size_t row_bytes = DTypeBytes(dtype, static_cast<uint64_t>(depth));
        std::vector<std::byte> matrix(static_cast<size_t>(rows) * row_bytes);
        EncodeRow(dtype, values.data(), nullptr, rows * depth, matrix.data());
        std::vector<std::byte> panels = matrix;
        RowsToNumberPanels(matrix.data(), static_cast<int64_t>(DTypeBytes(dtype, 1)), depth,
                           rows / kNumberPanelOutputs * kNumberPanelOutputs, panels.data());
        Weight weight;
        weight.dtype = dtype;
        weight.shape = {rows, depth};
        weight.data = panels.data();
        weight.layout = BlockLayout::kPanels;
        std::vector<float> found(static_cast<size_t>(depth));
        std::vector<float> expected(found.size());
        for (int64_t i = 0; i < rows; ++i) {
          DecodeRowOf(weight, i, found.data());
          DecodeRow(dtype, matrix.data() + static_cast<size_t>(i) * row_bytes, depth,
                    expected.data());
          ASSERT_EQ(found, expected) << DTypeName(dtype) << ", row " << i << " of " << rows;
        }
      }
    }
  }
}

TEST(NumberPanels, NeedWholePieces) {
  EXPECT_TRUE(HasNumberPanels({8, 32}));
  EXPECT_TRUE(HasNumberPanels({9, 96}));
  EXPECT_FALSE(HasNumberPanels({7, 32}));
  EXPECT_FALSE(HasNumberPanels({8, 48}));
  EXPECT_FALSE(HasNumberPanels({64}));
}

}  // namespace
}  // namespace moiety
