// Operations on rows: normalisation, activation, residual addition.
//
// "Consumes x": the result may take x's memory, so x must not be used afterwards.
#ifndef MOIETY_OPS_ELEMENTWISE_H_
#define MOIETY_OPS_ELEMENTWISE_H_

#include "ops/exec.h"
#include "tensor/matrix.h"
#include "tensor/weight.h"

namespace moiety {

// y = x / √(mean(x²) + eps) · gain per row (Zhang, Sennrich 2019).  x [rows, n], gain [n]
Matrix RmsNorm(Exec& exec, const Matrix& x, WeightRef gain, float eps);

// The same over each head of a row; consumes x.  x [rows, heads · n], gain [n]
Matrix RmsNormHeads(Exec& exec, const Matrix& x, WeightRef gain, float eps);

// x + y; consumes x.  Both [rows, n]
Matrix Add(Exec& exec, const Matrix& x, const Matrix& y);

}  // namespace moiety

#endif  // MOIETY_OPS_ELEMENTWISE_H_
