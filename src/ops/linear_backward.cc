#include "ops/linear_backward.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "base/check.h"
#include "kernels/kernels.h"
#include "ops/tape.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

// Rows of an input whose gradient is one task, and rows of a weight.
constexpr int64_t kInputRows = 96;
constexpr int64_t kWeightRows = 48;
// Rows whose part of a weight's gradient is added at a time, so that they stay in the cache.
constexpr int64_t kDepth = 256;
static_assert(kDepth % 2 == 0);

// dy and x as products of bf16 take them (Bf16OuterMatmulArgs); null where nothing needs them.
struct Bf16Operands {
  uint32_t* dy = nullptr;       // [rows, ⌈d_out / 2⌉] neighbours in a row
  uint32_t* dy_rows = nullptr;  // [⌈rows / 2⌉, d_out] rows in pairs
  uint32_t* x_rows = nullptr;   // [⌈rows / 2⌉, d_in]
};

// What follows from one product; null where nothing is to be added.
struct LinearGradients {
  LinearJob job;
  Matrix dy;
  Matrix dx;
  float* dw;
  float* dbias;
  bool in_bf16;
  Bf16Operands bf16;
};

int64_t Pairs(int64_t n) { return (n + 1) / 2; }

size_t WeightTypeIndex(DType dtype) {
  return static_cast<size_t>(dtype == DType::kF32   ? WeightType::kF32
                             : dtype == DType::kF16 ? WeightType::kF16
                                                    : WeightType::kBF16);
}

// dx += dy · w for rows [first, first + rows).
void AddInputGradient(const KernelTable& kernels, const LinearGradients& g, int64_t first,
                      int64_t rows) {
  const int64_t d_out = g.dy.cols;
  if (g.in_bf16) {
    kernels.outer_matmul_bf16({.a = g.bf16.dy + first * Pairs(d_out),
                               .a_stride = Pairs(d_out),
                               .a_step = 1,
                               .b = g.job.w->bf16_pairs,
                               .y = g.dx.Row(first),
                               .y_stride = g.dx.cols,
                               .rows = rows,
                               .cols = g.dx.cols,
                               .num_pairs = Pairs(d_out)});
    return;
  }
  kernels.outer_matmul[WeightTypeIndex(g.job.w->dtype)]({.a = g.dy.Row(first),
                                                         .a_stride = d_out,
                                                         .a_step = 1,
                                                         .b = g.job.w->data,
                                                         .y = g.dx.Row(first),
                                                         .y_stride = g.dx.cols,
                                                         .rows = rows,
                                                         .cols = g.dx.cols,
                                                         .depth = d_out});
}

// dw += dyᵀ · x for outputs [begin, begin + count).
void AddWeightGradient(const KernelTable& kernels, const LinearGradients& g, int64_t begin,
                       int64_t count) {
  const int64_t d_in = g.job.x.cols;
  const int64_t d_out = g.dy.cols;
  for (int64_t row = 0; row < g.dy.rows; row += kDepth) {
    const int64_t depth = std::min(kDepth, g.dy.rows - row);
    if (g.in_bf16) {
      kernels.outer_matmul_bf16({.a = g.bf16.dy_rows + row / 2 * d_out + begin,
                                 .a_stride = 1,
                                 .a_step = d_out,
                                 .b = g.bf16.x_rows + row / 2 * d_in,
                                 .y = g.dw + begin * d_in,
                                 .y_stride = d_in,
                                 .rows = count,
                                 .cols = d_in,
                                 .num_pairs = Pairs(depth)});
    } else {
      kernels.outer_matmul[WeightTypeIndex(DType::kF32)]({.a = g.dy.Row(row) + begin,
                                                          .a_stride = 1,
                                                          .a_step = d_out,
                                                          .b = g.job.x.Row(row),
                                                          .y = g.dw + begin * d_in,
                                                          .y_stride = d_in,
                                                          .rows = count,
                                                          .cols = d_in,
                                                          .depth = depth});
    }
  }
}

// dbias += Σ rows of dy for outputs [begin, begin + count).
void AddBiasGradient(const KernelTable& kernels, const LinearGradients& g, int64_t begin,
                     int64_t count) {
  for (int64_t i = 0; i < g.dy.rows; ++i) {
    kernels.add(g.dy.Row(i) + begin, count, g.dbias + begin);
  }
}

// One of the sums that a product adds to, divided into tasks.
struct GradientSum {
  float* to;
  int64_t size;
  const LinearGradients* from;
  void (*add)(const KernelTable&, const LinearGradients&, int64_t begin, int64_t count);
  int64_t count;  // of rows of an input, of outputs of a weight
  int64_t step;   // of these per task
};

std::vector<GradientSum> GradientSums(std::span<const LinearGradients> gradients) {
  std::vector<GradientSum> sums;
  for (const LinearGradients& g : gradients) {
    sums.push_back({g.dx.data, g.dx.size(), &g, AddInputGradient, g.dx.rows, kInputRows});
    const int64_t outputs = g.dy.cols;
    if (g.dw != nullptr) {
      const int64_t size = outputs * g.dx.cols;
      sums.push_back({g.dw, size, &g, AddWeightGradient, outputs, kWeightRows});
    }
    if (g.dbias != nullptr) {
      sums.push_back({g.dbias, outputs, &g, AddBiasGradient, outputs, kWeightRows});
    }
  }
  // Those that meet stand together, in the order of their products.
  std::stable_sort(sums.begin(), sums.end(), [](const GradientSum& a, const GradientSum& b) {
    return std::less<>()(a.to, b.to);
  });
  return sums;
}

// Memory for the operands of all products in bf16, and what belongs there.
void RoundToBf16(Exec& exec, std::span<LinearGradients> gradients) {
  std::vector<int64_t> num_pairs;
  for (LinearGradients& g : gradients) {
    num_pairs.push_back(g.in_bf16 ? Pairs(g.dy.rows) : 0);
    if (!g.in_bf16) continue;
    g.bf16.dy = exec.Allocate<uint32_t>(g.dy.rows * Pairs(g.dy.cols));
    if (g.dw == nullptr) continue;
    g.bf16.dy_rows = exec.Allocate<uint32_t>(Pairs(g.dy.rows) * g.dy.cols);
    g.bf16.x_rows = exec.Allocate<uint32_t>(Pairs(g.dy.rows) * g.job.x.cols);
  }
  if (!exec.ok()) return;
  const auto pair = exec.kernels().pair_bf16;
  ParallelForJobs(exec.pool(), num_pairs, [&](size_t index, int64_t p) {
    const LinearGradients& g = gradients[index];
    const auto second = [&](const Matrix& m) {
      return 2 * p + 1 < m.rows ? m.Row(2 * p + 1) : nullptr;
    };
    for (int64_t i = 2 * p; i < std::min(g.dy.rows, 2 * p + 2); ++i) {
      auto* const halves = reinterpret_cast<uint16_t*>(g.bf16.dy + i * Pairs(g.dy.cols));
      exec.kernels().round_bf16(g.dy.Row(i), g.dy.cols, halves);
      if (g.dy.cols % 2 != 0) halves[g.dy.cols] = 0;
    }
    if (g.dw == nullptr) return;
    pair(g.dy.Row(2 * p), second(g.dy), g.dy.cols, g.bf16.dy_rows + p * g.dy.cols);
    const Matrix& x = g.job.x;
    pair(x.Row(2 * p), second(x), x.cols, g.bf16.x_rows + p * x.cols);
  });
}

}  // namespace

void LinearManyBackward(Exec& exec, std::span<const LinearJob> jobs) {
  Tape& tape = *exec.tape();
  const Exec::Scope scope(exec);
  std::vector<LinearGradients> gradients;
  for (const LinearJob& job : jobs) {
    const Matrix dy = tape.ReceivedGradient(job.y);
    if (dy.data == nullptr) continue;
    const Matrix dx = tape.Gradient(job.x);
    if (dx.data == nullptr) return;
    const bool in_bf16 = exec.compute() == ComputeType::kBF16 && job.w->bf16_pairs != nullptr;
    gradients.push_back({job, dy, dx, tape.Gradient(job.w), tape.Gradient(job.bias), in_bf16, {}});
  }
  RoundToBf16(exec, gradients);
  if (!exec.ok()) {
    tape.Fail(exec.status());
    return;
  }

  const std::vector<GradientSum> sums = GradientSums(gradients);
  struct Task {
    size_t first;  // sums [first, end) are the same
    size_t end;
    int64_t begin;
    int64_t count;
  };
  std::vector<Task> tasks;
  for (size_t i = 0; i < sums.size();) {
    const size_t first = i++;
    const GradientSum& sum = sums[first];
    for (; i < sums.size() && sums[i].to == sum.to; ++i) {
      MOIETY_CHECK(sums[i].size == sum.size && sums[i].add == sum.add);
    }
    MOIETY_CHECK(i == sums.size() || sum.to + sum.size <= sums[i].to);
    for (int64_t begin = 0; begin < sum.count; begin += sum.step) {
      tasks.push_back({first, i, begin, std::min(sum.step, sum.count - begin)});
    }
  }
  exec.pool().ParallelFor(static_cast<int64_t>(tasks.size()), [&](int64_t index) {
    const Task& task = tasks[static_cast<size_t>(index)];
    for (size_t i = task.first; i < task.end; ++i) {
      sums[i].add(exec.kernels(), *sums[i].from, task.begin, task.count);
    }
  });
  for (const LinearJob& job : jobs) tape.Release(job.y);
}

}  // namespace moiety
