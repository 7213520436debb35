// Panels of matrices of numbers (F32, F16, BF16): 8 neighbouring outputs side by side, 32 values of
// each in turn, so that a product of few rows reads memory from one end to the other:
//
//   [panel][depth / 32][output][32 values]
//
// Outputs behind the last whole panel are rows.
#ifndef MOIETY_QUANT_NUMBER_PANELS_H_
#define MOIETY_QUANT_NUMBER_PANELS_H_

#include <cstddef>
#include <cstdint>

#include "tensor/shape.h"
#include "tensor/weight.h"

namespace moiety {

inline constexpr int64_t kNumberPanelOutputs = 8;
inline constexpr int64_t kNumberPanelDepth = 32;  // values

// Where the values of an output are: value k at begin + k / 32 · step + k % 32.
struct NumberRow {
  int64_t begin;
  int64_t step;
  int64_t next_output;  // from an output to the next one beside it
  bool in_panel;
};
// Of a matrix of `outputs` rows, or of a part of one that begins and ends with whole panels.
// Everywhere inlined: kernels of each instruction set have it in their own code.
[[gnu::always_inline]] inline NumberRow NumberRowAt(BlockLayout layout, int64_t outputs,
                                                    int64_t depth, int64_t output) {
  const int64_t in_panels = outputs / kNumberPanelOutputs * kNumberPanelOutputs;
  if (layout == BlockLayout::kRows || output >= in_panels) {
    return {output * depth, kNumberPanelDepth, depth, false};
  }
  const int64_t in_panel = output % kNumberPanelOutputs;
  return {(output - in_panel) * depth + in_panel * kNumberPanelDepth,
          kNumberPanelOutputs * kNumberPanelDepth, kNumberPanelDepth, true};
}

// Whether a matrix of such numbers can lie in panels.
bool HasNumberPanels(const Shape& shape);

// Rows of `depth` values of `value_bytes` each, a multiple of kNumberPanelOutputs of them, to as
// many panels.
void RowsToNumberPanels(const std::byte* rows, int64_t value_bytes, int64_t depth, int64_t num_rows,
                        std::byte* panels);

// Row `row` of a matrix of `num_rows` rows in panels, as it was.
void CopyRowOfNumberPanels(const std::byte* panels, int64_t value_bytes, int64_t depth,
                           int64_t num_rows, int64_t row, std::byte* to);

}  // namespace moiety

#endif  // MOIETY_QUANT_NUMBER_PANELS_H_
