#include "quant/weight_panels.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "quant/block_format.h"
#include "quant/number_panels.h"
#include "quant/panels.h"

namespace moiety {
namespace {

constexpr int64_t kPanelsPerTask = 4;

}  // namespace

int64_t PanelOutputsOf(DType dtype) {
  return IsBlockFormat(dtype) ? kPanelOutputs : kNumberPanelOutputs;
}

bool HasPanels(DType dtype, const Shape& shape) {
  return IsBlockFormat(dtype) ? shape.size() == 2 && shape[0] >= kPanelOutputs
                              : HasNumberPanels(shape);
}

void MakePanels(DType dtype, const std::byte* rows, int64_t cols, int64_t num_rows,
                std::byte* panels) {
  if (const BlockFormat* const format = BlockFormatOf(dtype)) {
    RowsToPanels(*format, rows, cols / format->num_values, num_rows, panels);
  } else {
    RowsToNumberPanels(rows, static_cast<int64_t>(DTypeBytes(dtype, 1)), cols, num_rows, panels);
  }
}

void MakePanelsInPlace(DType dtype, const Shape& shape, std::byte* matrix, ThreadPool* pool) {
  const int64_t outputs = PanelOutputsOf(dtype);
  const size_t panel_bytes = DTypeBytes(dtype, static_cast<uint64_t>(outputs * shape[1]));
  const int64_t num_panels = shape[0] / outputs;
  const auto make = [&](int64_t task) {
    std::vector<std::byte> rows(panel_bytes);
    const int64_t end = std::min(num_panels, (task + 1) * kPanelsPerTask);
    for (int64_t panel = task * kPanelsPerTask; panel < end; ++panel) {
      std::byte* const at = matrix + static_cast<size_t>(panel) * panel_bytes;
      std::memcpy(rows.data(), at, panel_bytes);
      MakePanels(dtype, rows.data(), shape[1], outputs, at);
    }
  };
  const int64_t num_tasks = (num_panels + kPanelsPerTask - 1) / kPanelsPerTask;
  if (pool != nullptr) {
    pool->ParallelFor(num_tasks, make);
  } else {
    for (int64_t task = 0; task < num_tasks; ++task) make(task);
  }
}

}  // namespace moiety
