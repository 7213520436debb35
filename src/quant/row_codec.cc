#include "quant/row_codec.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "quant/block_format.h"
#include "quant/number_panels.h"
#include "quant/panels.h"

namespace moiety {
namespace {

// Above these, rounding to nearest gives infinity.
constexpr float kF16Limit = 65520.0F;
constexpr float kBF16Limit = 0x1.FFp127F;

template <class Convert>
void Widen(const std::byte* row, int64_t n, float* y, const Convert& convert) {
  for (int64_t i = 0; i < n; ++i) {
    uint16_t bits;
    std::memcpy(&bits, row + 2 * i, sizeof(bits));
    y[i] = convert(bits);
  }
}

template <class Convert>
void Narrow(const float* x, int64_t n, std::byte* row, const Convert& convert) {
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t bits = convert(x[i]);
    std::memcpy(row + 2 * i, &bits, sizeof(bits));
  }
}

}  // namespace

bool IsWeightType(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 ||
         BlockFormatOf(dtype) != nullptr;
}

void DecodeRow(DType dtype, const std::byte* row, int64_t n, float* y) {
  if (const BlockFormat* format = BlockFormatOf(dtype)) {
    format->decode(row, n, y);
  } else if (dtype == DType::kF16) {
    Widen(row, n, y, F16ToF32);
  } else if (dtype == DType::kBF16) {
    Widen(row, n, y, BF16ToF32);
  } else {
    std::memcpy(y, row, static_cast<size_t>(n) * sizeof(float));
  }
}

void DecodeRowOf(const Weight& matrix, int64_t row, float* y) {
  const int64_t n = matrix.shape[1];
  const size_t row_bytes = DTypeBytes(matrix.dtype, static_cast<uint64_t>(n));
  if (matrix.layout == BlockLayout::kRows) {
    return DecodeRow(matrix.dtype, matrix.data + static_cast<size_t>(row) * row_bytes, n, y);
  }
  std::vector<std::byte> blocks(row_bytes);
  if (!IsBlockFormat(matrix.dtype)) {
    CopyRowOfNumberPanels(matrix.data, static_cast<int64_t>(DTypeBytes(matrix.dtype, 1)), n,
                          matrix.shape[0], row, blocks.data());
    return DecodeRow(matrix.dtype, blocks.data(), n, y);
  }
  const BlockFormat& format = *BlockFormatOf(matrix.dtype);
  CopyRowOfPanels(format, matrix.data, matrix.shape[0], n / format.num_values, row, blocks.data());
  format.decode(blocks.data(), n, y);
}

void EncodeRow(DType dtype, const float* x, const float* importance, int64_t n, std::byte* row) {
  if (const BlockFormat* format = BlockFormatOf(dtype)) {
    EncodeBlocks(*format, x, importance, n, row);
  } else if (dtype == DType::kF16) {
    Narrow(x, n, row, F32ToF16);
  } else if (dtype == DType::kBF16) {
    Narrow(x, n, row, F32ToBF16);
  } else {
    std::memcpy(row, x, static_cast<size_t>(n) * sizeof(float));
  }
}

std::optional<int64_t> FirstMisfit(DType dtype, const float* x, int64_t n) {
  const float limit = dtype == DType::kF16    ? kF16Limit
                      : dtype == DType::kBF16 ? kBF16Limit
                                              : std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < n; ++i) {
    if (!(std::fabs(x[i]) < limit)) return i;  // also where x is not a number
  }
  return std::nullopt;
}

}  // namespace moiety
