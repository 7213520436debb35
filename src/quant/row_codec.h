// Rows of weights of any element type as f32, and back.
#ifndef MOIETY_QUANT_ROW_CODEC_H_
#define MOIETY_QUANT_ROW_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "tensor/dtype.h"
#include "tensor/weight.h"

namespace moiety {

// The types that weights come in: F32, F16, BF16 and all block formats.
bool IsWeightType(DType dtype);

// n values of `dtype`, a weight type, to y [n]; n is a multiple of DTypeBlockValues(dtype). `row`
// need not be aligned. Exact for numbers; blocks as BlockFormat::decode has it.
void DecodeRow(DType dtype, const std::byte* row, int64_t n, float* y);

// Row `row` of a matrix to y [cols], wherever its layout has it.
void DecodeRowOf(const Weight& matrix, int64_t row, float* y);

// The other way; importance [n] or null (see BlockFormat::encode), which numbers do not need. Each
// x must fit the type: see FirstMisfit().
void EncodeRow(DType dtype, const float* x, const float* importance, int64_t n, std::byte* row);

// The first of x [n] that `dtype` cannot hold: what is not finite, and in F16 and BF16 what would
// become infinite.
std::optional<int64_t> FirstMisfit(DType dtype, const float* x, int64_t n);

}  // namespace moiety

#endif  // MOIETY_QUANT_ROW_CODEC_H_
