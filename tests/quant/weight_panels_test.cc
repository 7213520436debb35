#include "quant/weight_panels.h"

#include <gtest/gtest.h>

#include <vector>

namespace moiety {
namespace {

// Of numbers and of blocks: in place as apart, and what is behind the last panel stays.
TEST(WeightPanels, InPlaceAsApart) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_K}) {
    const Shape shape = {75, 512};
    ASSERT_TRUE(HasPanels(dtype, shape));
    const size_t row_bytes = DTypeBytes(dtype, static_cast<uint64_t>(shape[1]));
    std::vector<std::byte> rows(75 * row_bytes);
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::byte>(i * 151 + i / 251);
    const int64_t in_panels = 75 / PanelOutputsOf(dtype) * PanelOutputsOf(dtype);
    std::vector<std::byte> expected = rows;
    MakePanels(dtype, rows.data(), shape[1], in_panels, expected.data());
    EXPECT_NE(expected, rows);
    for (const int threads : {0, 1, 3}) {
      std::vector<std::byte> matrix = rows;
      if (threads == 0) {
        MakePanelsInPlace(dtype, shape, matrix.data(), nullptr);
      } else {
        ThreadPool pool(threads);
        MakePanelsInPlace(dtype, shape, matrix.data(), &pool);
      }
      EXPECT_EQ(matrix, expected) << DTypeName(dtype);
    }
  }
}

TEST(WeightPanels, SomeMatricesHaveNone) {
  EXPECT_FALSE(HasPanels(DType::kQ8_0, {15, 256}));
  EXPECT_TRUE(HasPanels(DType::kQ8_0, {16, 256}));
  EXPECT_TRUE(HasPanels(DType::kBF16, {15, 256}));
  EXPECT_FALSE(HasPanels(DType::kBF16, {15, 250}));
  EXPECT_FALSE(HasPanels(DType::kF32, {256}));
}

}  // namespace
}  // namespace moiety
