// Operations on rows: normalisation, scaling, limits, residual addition.
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

// The same over each n elements of a row (a head, or the row itself); consumes x.
//   x [rows, heads · n], gain [n]
Matrix RmsNormHeads(Exec& exec, const Matrix& x, WeightRef gain, float eps);

// x + y; consumes x.  Both [rows, n]
Matrix Add(Exec& exec, const Matrix& x, const Matrix& y);

// x[i] + σ(gate[i]) · y[i] per row i; consumes x.  x, y [rows, n], gate [rows, 1]
Matrix AddGated(Exec& exec, const Matrix& x, const Matrix& gate, const Matrix& y);

// x · factor; consumes x.
Matrix Scale(Exec& exec, const Matrix& x, float factor);

// Each element brought into [-limit, limit]; consumes x.
Matrix Clamp(Exec& exec, const Matrix& x, float limit);

// cap · tanh(x / cap): about x near 0, never beyond the cap (Bello et al. 2016); consumes x.
Matrix SoftCap(Exec& exec, const Matrix& x, float cap);

}  // namespace moiety

#endif  // MOIETY_OPS_ELEMENTWISE_H_
