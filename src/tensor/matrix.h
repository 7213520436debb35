// Matrix: activations between operations.
#ifndef MOIETY_TENSOR_MATRIX_H_
#define MOIETY_TENSOR_MATRIX_H_

#include <cstdint>

namespace moiety {

// A view of f32 values [rows, cols], row-major, rows contiguous. Does not own; memory belongs to
// the arena of the step.
struct Matrix {
  float* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;

  float* Row(int64_t i) const { return data + i * cols; }
  int64_t size() const { return rows * cols; }
};

}  // namespace moiety

#endif  // MOIETY_TENSOR_MATRIX_H_
