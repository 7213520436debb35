#include "quant/number_panels.h"

#include <algorithm>
#include <cstring>

namespace moiety {

bool HasNumberPanels(const Shape& shape) {
  return shape.size() == 2 && shape[0] >= kNumberPanelOutputs && shape[1] % kNumberPanelDepth == 0;
}

void RowsToNumberPanels(const std::byte* rows, int64_t value_bytes, int64_t depth, int64_t num_rows,
                        std::byte* panels) {
  const int64_t piece = kNumberPanelDepth * value_bytes;
  for (int64_t first = 0; first < num_rows; first += kNumberPanelOutputs) {
    for (int64_t k = 0; k < depth; k += kNumberPanelDepth) {
      for (int64_t row = first; row < first + kNumberPanelOutputs; ++row, panels += piece) {
        std::memcpy(panels, rows + (row * depth + k) * value_bytes, static_cast<size_t>(piece));
      }
    }
  }
}

void CopyRowOfNumberPanels(const std::byte* panels, int64_t value_bytes, int64_t depth,
                           int64_t num_rows, int64_t row, std::byte* to) {
  const NumberRow at = NumberRowAt(BlockLayout::kPanels, num_rows, depth, row);
  for (int64_t k = 0; k < depth; k += kNumberPanelDepth) {
    const int64_t count = std::min(kNumberPanelDepth, depth - k);
    std::memcpy(to + k * value_bytes,
                panels + (at.begin + k / kNumberPanelDepth * at.step) * value_bytes,
                static_cast<size_t>(count * value_bytes));
  }
}

}  // namespace moiety
