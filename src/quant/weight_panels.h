// Panels of weight matrices of any type: what store/ makes of rows while loading.
#ifndef MOIETY_QUANT_WEIGHT_PANELS_H_
#define MOIETY_QUANT_WEIGHT_PANELS_H_

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace moiety {

// Outputs of a panel of this weight type.
int64_t PanelOutputsOf(DType dtype);

// Whether a matrix has any: panels.h for blocks, number_panels.h for numbers.
bool HasPanels(DType dtype, const Shape& shape);

// num_rows rows of `cols` values, a multiple of PanelOutputsOf(dtype), to as many panels.
void MakePanels(DType dtype, const std::byte* rows, int64_t cols, int64_t num_rows,
                std::byte* panels);

// The same in their place, for all panels of a matrix; null: without a pool.
void MakePanelsInPlace(DType dtype, const Shape& shape, std::byte* matrix, ThreadPool* pool);

}  // namespace moiety

#endif  // MOIETY_QUANT_WEIGHT_PANELS_H_
