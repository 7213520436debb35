#include "quant/panels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "quant/row_codec.h"
#include "support/random_values.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

std::vector<std::byte> SomeBytes(int64_t n) {
  std::vector<std::byte> bytes(static_cast<size_t>(n));
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(i * 151 + i / 251 * 29 + 7);
  }
  return bytes;
}

TEST(Panels, RowsComeBackAsTheyWere) {
  for (const BlockFormat* format : BlockFormats()) {
    for (const int64_t row_blocks : {1, 3}) {
      for (const int64_t rows : {15, 16, 37, 64}) {
        const int64_t row_bytes = row_blocks * format->num_bytes;
        const std::vector<std::byte> matrix = SomeBytes(rows * row_bytes);
        std::vector<std::byte> panels = matrix;
        const int64_t in_panels = rows / kPanelOutputs * kPanelOutputs;
        RowsToPanels(*format, matrix.data(), row_blocks, in_panels, panels.data());
        std::vector<std::byte> row(static_cast<size_t>(row_bytes));
        for (int64_t i = 0; i < rows; ++i) {
          CopyRowOfPanels(*format, panels.data(), rows, row_blocks, i, row.data());
          ASSERT_TRUE(std::equal(row.begin(), row.end(), matrix.begin() + i * row_bytes))
              << DTypeName(format->dtype) << ", row " << i << " of " << rows;
        }
      }
    }
  }
}

TEST(Panels, HoldAWordOfEachOutputSideBySide) {
  const BlockFormat& q8 = *BlockFormatOf(DType::kQ8_0);  // 2 bytes, then 8 words
  const std::vector<std::byte> matrix = SomeBytes(kPanelOutputs * 2 * q8.num_bytes);
  std::vector<std::byte> panel(matrix.size());
  RowsToPanels(q8, matrix.data(), 2, kPanelOutputs, panel.data());
  const auto at = [](int64_t i) { return static_cast<size_t>(i); };
  for (int64_t output = 0; output < kPanelOutputs; ++output) {
    for (int64_t block = 0; block < 2; ++block) {
      const int64_t from = (output * 2 + block) * q8.num_bytes;
      for (int64_t byte = 0; byte < 32; ++byte) {
        const int64_t word = block * 8 + byte / 4;
        ASSERT_EQ(panel[at((word * kPanelOutputs + output) * 4 + byte % 4)],
                  matrix[at(from + 2 + byte)]);
      }
      const int64_t odd = 2 * 32 * kPanelOutputs + (block * kPanelOutputs + output) * 2;
      ASSERT_EQ(panel[at(odd)], matrix[at(from)]);
      ASSERT_EQ(panel[at(odd + 1)], matrix[at(from + 1)]);
    }
  }
}

TEST(Panels, OutputsThatAreNotThereAreZero) {
  const BlockFormat& q6 = *BlockFormatOf(DType::kQ6_K);  // 52 words, then 2 bytes
  const std::vector<std::byte> rows = SomeBytes(5 * q6.num_bytes);
  std::vector<std::byte> words(static_cast<size_t>(52 * 4 * kPanelOutputs), std::byte{9});
  std::vector<std::byte> odd(static_cast<size_t>(2 * kPanelOutputs), std::byte{9});
  CopyToPanel(q6, rows.data(), q6.num_bytes, 5, 1, words.data(), odd.data());
  for (size_t i = 0; i < words.size(); ++i) {
    const size_t output = i / 4 % static_cast<size_t>(kPanelOutputs);
    const size_t word = i / 4 / static_cast<size_t>(kPanelOutputs);
    ASSERT_EQ(words[i], output < 5 ? rows[output * 210 + word * 4 + i % 4] : std::byte{0});
  }
  for (size_t i = 0; i < odd.size(); ++i) {
    ASSERT_EQ(odd[i], i / 2 < 5 ? rows[i / 2 * 210 + 208 + i % 2] : std::byte{0});
  }
}

TEST(Panels, AMatrixDecodesTheSameInEitherLayout) {
  const BlockFormat& q4 = *BlockFormatOf(DType::kQ4_K);
  const std::vector<float> values = RandomValues(20 * 512, 4);
  std::vector<std::byte> rows(static_cast<size_t>(20 * 2 * q4.num_bytes));
  EncodeBlocks(q4, values.data(), nullptr, 20 * 512, rows.data());
  std::vector<std::byte> panels = rows;
  RowsToPanels(q4, rows.data(), 2, 16, panels.data());
  Weight matrix = {"w", {}, DType::kQ4_K, {20, 512}, rows.data()};
  Weight in_panels = matrix;
  in_panels.data = panels.data();
  in_panels.layout = BlockLayout::kPanels;
  for (int64_t row = 0; row < 20; ++row) {
    std::vector<float> expected(512);
    std::vector<float> got(512);
    DecodeRowOf(matrix, row, expected.data());
    DecodeRowOf(in_panels, row, got.data());
    ASSERT_EQ(got, expected);
  }
}

}  // namespace
}  // namespace moiety
