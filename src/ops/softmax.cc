#include "ops/softmax.h"

#include <algorithm>

#include "base/exact_math.h"
#include "kernels/kernels.h"

namespace moiety {
namespace {

// Rows per task: a row of scores is short.
constexpr int64_t kScoreRows = 64;

template <class Body>
void ForScoreRows(Exec& exec, const Matrix& x, const Body& body) {
  if (!exec.ok()) return;
  exec.pool().ParallelFor((x.rows + kScoreRows - 1) / kScoreRows, [&](int64_t task) {
    for (int64_t i = task * kScoreRows; i < std::min(x.rows, (task + 1) * kScoreRows); ++i) {
      body(i);
    }
  });
}

}  // namespace

Matrix Softmax(Exec& exec, const Matrix& x) {
  const Matrix y = exec.NewMatrix(x.rows, x.cols);
  ForScoreRows(exec, x, [&](int64_t i) {
    std::copy_n(x.Row(i), x.cols, y.Row(i));
    exec.kernels().softmax(y.Row(i), y.cols);
  });
  // dx = y · (dy - Σ dy · y)
  exec.Record(x, y, [&exec, y](const Matrix& dy, const Matrix& dx) {
    ForScoreRows(exec, y, [&](int64_t i) {
      float inner = 0;
      for (int64_t k = 0; k < y.cols; ++k) inner += dy.Row(i)[k] * y.Row(i)[k];
      for (int64_t k = 0; k < y.cols; ++k) dx.Row(i)[k] += y.Row(i)[k] * (dy.Row(i)[k] - inner);
    });
  });
  return y;
}

Matrix Sigmoid(Exec& exec, const Matrix& x) {
  const Matrix y = exec.NewMatrix(x.rows, x.cols);
  ForScoreRows(exec, x, [&](int64_t i) {
    std::transform(x.Row(i), x.Row(i) + x.cols, y.Row(i),
                   [](float v) { return 1.0F / (1.0F + Exp(-v)); });
  });
  exec.Record(x, y, [&exec, y](const Matrix& dy, const Matrix& dx) {
    ForScoreRows(exec, y, [&](int64_t i) {
      for (int64_t k = 0; k < y.cols; ++k) {
        dx.Row(i)[k] += dy.Row(i)[k] * y.Row(i)[k] * (1.0F - y.Row(i)[k]);
      }
    });
  });
  return y;
}

}  // namespace moiety
