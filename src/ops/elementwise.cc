#include "ops/elementwise.h"

#include <algorithm>

#include "base/check.h"
#include "base/exact_math.h"
#include "kernels/kernels.h"

namespace moiety {
namespace {

// Values a task handles at least; below that a loop is not worth sharing out.
constexpr int64_t kTaskValues = 16384;

// Calls body(first_row, end_row) over all rows, in parallel when there is enough to do.
template <class Body>
void ForRows(Exec& exec, int64_t rows, int64_t cols, const Body& body) {
  if (!exec.ok()) return;
  const int64_t rows_per_task = std::max<int64_t>(1, kTaskValues / std::max<int64_t>(1, cols));
  exec.pool().ParallelFor((rows + rows_per_task - 1) / rows_per_task, [&](int64_t task) {
    body(task * rows_per_task, std::min(rows, (task + 1) * rows_per_task));
  });
}

// x = function(x) for every element.
template <class Function>
Matrix ForElements(Exec& exec, const Matrix& x, const Function& function) {
  ForRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    std::transform(x.Row(begin), x.Row(end), x.Row(begin), function);
  });
  return x;
}

}  // namespace

Matrix RmsNorm(Exec& exec, const Matrix& x, WeightRef gain, float eps) {
  const Matrix y = exec.NewMatrix(x.rows, x.cols);
  ForRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      exec.kernels().rms_norm(x.Row(i), gain.f32(), eps, x.cols, y.Row(i));
    }
  });
  return y;
}

Matrix RmsNormHeads(Exec& exec, const Matrix& x, WeightRef gain, float eps) {
  if (!exec.ok()) return {};
  const int64_t n = gain.rows();
  MOIETY_CHECK(x.cols % n == 0);
  const Matrix heads{x.data, x.rows * (x.cols / n), n};
  ForRows(exec, heads.rows, n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      exec.kernels().rms_norm(heads.Row(i), gain.f32(), eps, n, heads.Row(i));
    }
  });
  return x;
}

Matrix Add(Exec& exec, const Matrix& x, const Matrix& y) {
  ForRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    exec.kernels().add(y.Row(begin), (end - begin) * x.cols, x.Row(begin));
  });
  return x;
}

Matrix AddGated(Exec& exec, const Matrix& x, const Matrix& gate, const Matrix& y) {
  ForRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float open = 1.0F / (1.0F + Exp(-gate.Row(i)[0]));
      exec.kernels().axpy(open, y.Row(i), x.cols, x.Row(i));
    }
  });
  return x;
}

Matrix Scale(Exec& exec, const Matrix& x, float factor) {
  return ForElements(exec, x, [=](float v) { return v * factor; });
}

Matrix Clamp(Exec& exec, const Matrix& x, float limit) {
  return ForElements(exec, x, [=](float v) { return std::clamp(v, -limit, limit); });
}

Matrix SoftCap(Exec& exec, const Matrix& x, float cap) {
  return ForElements(exec, x, [=](float v) {
    // In f64: tanh of a small number by way of e^-2x would lose its digits in f32.
    const double c = cap;
    return static_cast<float>(c * ExactTanh(static_cast<double>(v) / c));
  });
}

}  // namespace moiety
