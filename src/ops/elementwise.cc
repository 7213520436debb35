#include "ops/elementwise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/exact_math.h"
#include "kernels/kernels.h"

namespace moiety {
namespace {

// Values a task handles at least; below that a loop is not worth sharing out.
constexpr int64_t kTaskValues = 16384;
constexpr int64_t kTaskColumns = 64;
constexpr int64_t kSumLanes = 16;

// Calls body(first_row, end_row) over all rows, in parallel when there is enough to do.
template <class Body>
void ForRows(Exec& exec, int64_t rows, int64_t cols, const Body& body) {
  if (!exec.ok()) return;
  const int64_t rows_per_task = std::max<int64_t>(1, kTaskValues / std::max<int64_t>(1, cols));
  exec.pool().ParallelFor((rows + rows_per_task - 1) / rows_per_task, [&](int64_t task) {
    body(task * rows_per_task, std::min(rows, (task + 1) * rows_per_task));
  });
}

// Calls body(first_column, end_column) over all columns: sums over rows that are not split.
template <class Body>
void ForColumns(Exec& exec, int64_t cols, const Body& body) {
  exec.pool().ParallelFor((cols + kTaskColumns - 1) / kTaskColumns, [&](int64_t task) {
    body(task * kTaskColumns, std::min(cols, (task + 1) * kTaskColumns));
  });
}

// Sums in lanes, element k to lane k mod kSumLanes: what a compiler can compute side by side.
template <class Body>
void ForLanes(int64_t n, const Body& body) {
  const int64_t whole = n / kSumLanes * kSumLanes;
  for (int64_t k = 0; k < whole; k += kSumLanes) {
    for (int64_t lane = 0; lane < kSumLanes; ++lane) body(k + lane, static_cast<size_t>(lane));
  }
  for (int64_t k = whole; k < n; ++k) body(k, static_cast<size_t>(k - whole));
}

float SumLanes(const std::array<float, kSumLanes>& lanes) {
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

// y = function(x) for every element; slope(x, y) is its derivative.
template <class Function, class Slope>
Matrix ForElements(Exec& exec, const Matrix& x, const Function& function, const Slope& slope) {
  const Matrix y = exec.Consume(x);
  ForRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    std::transform(y.Row(begin), y.Row(end), y.Row(begin), function);
  });
  exec.Record(x, y, [&exec, x, y, slope](const Matrix& dy, const Matrix& dx) {
    ForRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin * x.cols; k < end * x.cols; ++k) {
        dx.data[k] += dy.data[k] * slope(x.data[k], y.data[k]);
      }
    });
  });
  return y;
}

// With r = 1 / √(mean(x²) + eps): dx += r · (gain · dy) - x · r³ / n · Σ gain · dy · x,
// dgain += Σ rows of dy · x · r.
void RmsNormBackward(Exec& exec, const Matrix& x, WeightRef gain, float eps, const Matrix& dy,
                     const Matrix& dx) {
  const int64_t n = x.cols;
  std::vector<float> scales(static_cast<size_t>(x.rows));
  ForRows(exec, x.rows, n, [&](int64_t begin, int64_t end) {
    const float* const g = gain.f32();
    for (int64_t i = begin; i < end; ++i) {
      const float* const xi = x.Row(i);
      const float* const dyi = dy.Row(i);
      std::array<float, kSumLanes> squares = {};
      std::array<float, kSumLanes> products = {};
      ForLanes(n, [&](int64_t k, size_t lane) {
        squares[lane] += xi[k] * xi[k];
        products[lane] += g[k] * dyi[k] * xi[k];
      });
      const float scale = 1.0F / std::sqrt(SumLanes(squares) / static_cast<float>(n) + eps);
      const float inner = SumLanes(products) * scale * scale * scale / static_cast<float>(n);
      scales[static_cast<size_t>(i)] = scale;
      float* const dxi = dx.Row(i);
      for (int64_t k = 0; k < n; ++k) dxi[k] += scale * g[k] * dyi[k] - inner * xi[k];
    }
  });
  float* const dgain = exec.tape()->Gradient(gain);
  if (dgain == nullptr) return;
  ForColumns(exec, n, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < x.rows; ++i) {
      const float scale = scales[static_cast<size_t>(i)];
      for (int64_t k = begin; k < end; ++k) dgain[k] += dy.Row(i)[k] * x.Row(i)[k] * scale;
    }
  });
}

}  // namespace

Matrix RmsNorm(Exec& exec, const Matrix& x, WeightRef gain, float eps) {
  const Matrix y = exec.NewMatrix(x.rows, x.cols);
  ForRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      exec.kernels().rms_norm(x.Row(i), gain.f32(), eps, x.cols, y.Row(i));
    }
  });
  exec.Record(x, y, [&exec, x, gain, eps](const Matrix& dy, const Matrix& dx) {
    RmsNormBackward(exec, x, gain, eps, dy, dx);
  });
  return y;
}

Matrix RmsNormHeads(Exec& exec, const Matrix& x, WeightRef gain, float eps) {
  if (!exec.ok()) return {};
  const int64_t n = gain.rows();
  MOIETY_CHECK(x.cols % n == 0);
  const Matrix y = exec.Consume(x);
  const auto heads = [n](const Matrix& m) { return Matrix{m.data, m.rows * (m.cols / n), n}; };
  const Matrix rows = heads(y);
  ForRows(exec, rows.rows, n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      exec.kernels().rms_norm(rows.Row(i), gain.f32(), eps, n, rows.Row(i));
    }
  });
  exec.Record(x, y, [&exec, heads, x, gain, eps](const Matrix& dy, const Matrix& dx) {
    RmsNormBackward(exec, heads(x), gain, eps, heads(dy), heads(dx));
  });
  return y;
}

Matrix Add(Exec& exec, const Matrix& x, const Matrix& y) {
  const Matrix sum = exec.Consume(x);
  ForRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    exec.kernels().add(y.Row(begin), (end - begin) * x.cols, sum.Row(begin));
  });
  exec.Record(x, sum, [&exec, y](const Matrix& d, const Matrix& dx) {
    const Matrix dy = exec.tape()->Gradient(y);
    if (dy.data == nullptr) return;
    ForRows(exec, d.rows, d.cols, [&](int64_t begin, int64_t end) {
      const int64_t count = (end - begin) * d.cols;
      exec.kernels().add(d.Row(begin), count, dx.Row(begin));
      exec.kernels().add(d.Row(begin), count, dy.Row(begin));
    });
  });
  return sum;
}

Matrix AddGated(Exec& exec, const Matrix& x, const Matrix& gate, const Matrix& y) {
  const Matrix sum = exec.Consume(x);
  const auto open = [gate](int64_t i) { return 1.0F / (1.0F + Exp(-gate.Row(i)[0])); };
  ForRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      exec.kernels().axpy(open(i), y.Row(i), x.cols, sum.Row(i));
    }
  });
  exec.Record(x, sum, [&exec, gate, open, y](const Matrix& d, const Matrix& dx) {
    const Matrix dy = exec.tape()->Gradient(y);
    const Matrix dgate = exec.tape()->Gradient(gate);
    if (!exec.tape()->status().ok()) return;
    ForRows(exec, d.rows, d.cols, [&](int64_t begin, int64_t end) {
      exec.kernels().add(d.Row(begin), (end - begin) * d.cols, dx.Row(begin));
      for (int64_t i = begin; i < end; ++i) {
        const float s = open(i);
        exec.kernels().axpy(s, d.Row(i), d.cols, dy.Row(i));
        std::array<float, kSumLanes> products = {};
        ForLanes(d.cols,
                 [&](int64_t k, size_t lane) { products[lane] += d.Row(i)[k] * y.Row(i)[k]; });
        dgate.Row(i)[0] += SumLanes(products) * s * (1.0F - s);
      }
    });
  });
  return sum;
}

Matrix Scale(Exec& exec, const Matrix& x, float factor) {
  return ForElements(
      exec, x, [=](float v) { return v * factor; }, [=](float, float) { return factor; });
}

Matrix Clamp(Exec& exec, const Matrix& x, float limit) {
  return ForElements(
      exec, x, [=](float v) { return std::clamp(v, -limit, limit); },
      [=](float v, float) { return v >= -limit && v <= limit ? 1.0F : 0.0F; });
}

Matrix SoftCap(Exec& exec, const Matrix& x, float cap) {
  return ForElements(
      exec, x,
      [=](float v) {
        // In f64: tanh of a small number by way of e^-2x would lose its digits in f32.
        const double c = cap;
        return static_cast<float>(c * ExactTanh(static_cast<double>(v) / c));
      },
      [=](float, float y) { return 1.0F - (y / cap) * (y / cap); });
}

}  // namespace moiety
