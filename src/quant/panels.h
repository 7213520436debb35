// Panels: blocks of 16 neighbouring outputs side by side, as kernels like to read them: from one
// end of the panel to the other, and a word of each output at a time. They have the bytes of the
// rows that they are made of, in another order:
//
//   [block of a row][4-byte word of a block][output], then what is odd: [block][output][bytes]
//
// where the words of a block are its bytes without the one or two that make its size odd.
#ifndef MOIETY_QUANT_PANELS_H_
#define MOIETY_QUANT_PANELS_H_

#include <cstddef>
#include <cstdint>

#include "quant/block_format.h"
#include "tensor/weight.h"

namespace moiety {

inline constexpr int64_t kPanelOutputs = 16;

// Copies blocks [0, count) of each of `outputs` ≤ kPanelOutputs rows, `stride` bytes apart: their
// words to words [count, words, kPanelOutputs], the odd bytes to odd [count, kPanelOutputs, bytes].
// Outputs that there are none of are 0.
void CopyToPanel(const BlockFormat& format, const std::byte* rows, int64_t stride, int64_t outputs,
                 int64_t count, std::byte* words, std::byte* odd);

// num_rows rows of `row_blocks` blocks each, a multiple of kPanelOutputs, to as many panels.
void RowsToPanels(const BlockFormat& format, const std::byte* rows, int64_t row_blocks,
                  int64_t num_rows, std::byte* panels);

// Row `row` of a matrix of `num_rows` rows in panels, as it was: row_blocks blocks.
void CopyRowOfPanels(const BlockFormat& format, const std::byte* panels, int64_t num_rows,
                     int64_t row_blocks, int64_t row, std::byte* to);

}  // namespace moiety

#endif  // MOIETY_QUANT_PANELS_H_
