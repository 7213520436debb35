// Rows of scores to probabilities.
#ifndef MOIETY_OPS_SOFTMAX_H_
#define MOIETY_OPS_SOFTMAX_H_

#include "ops/exec.h"
#include "tensor/matrix.h"

namespace moiety {

// y = exp(x - max x) / Σ exp(x - max x) for each row.   x [rows, n], n ≥ 1 → [rows, n]
Matrix Softmax(Exec& exec, const Matrix& x);

// y = 1 / (1 + exp(-x)) for each element.
Matrix Sigmoid(Exec& exec, const Matrix& x);

}  // namespace moiety

#endif  // MOIETY_OPS_SOFTMAX_H_
