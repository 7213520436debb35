#include "ops/linear.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"
#include "base/format.h"

namespace moiety {
namespace {

// Outputs per task: enough work to be worth a task, few enough to share out, and small enough that
// the block of weights stays in the cache while all rows use it.
constexpr int64_t kBlockOutputs = 32;
// Rows per task where rows are only copied.
constexpr int64_t kBlockRows = 16;

}  // namespace

std::optional<WeightType> WeightTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return WeightType::kF32;
    case DType::kF16:
      return WeightType::kF16;
    case DType::kBF16:
      return WeightType::kBF16;
    default:
      return std::nullopt;
  }
}

void LinearMany(Exec& exec, std::span<const LinearJob> jobs) {
  if (!exec.ok()) return;
  std::vector<int64_t> first_task(jobs.size() + 1, 0);
  for (size_t i = 0; i < jobs.size(); ++i) {
    const LinearJob& job = jobs[i];
    MOIETY_CHECK(job.x.cols == job.w.cols() && job.y.cols == job.w.rows() &&
                 job.x.rows == job.y.rows);
    const int64_t blocks = job.x.rows == 0 ? 0 : (job.w.rows() + kBlockOutputs - 1) / kBlockOutputs;
    first_task[i + 1] = first_task[i] + blocks;
  }
  const KernelTable& kernels = exec.kernels();
  exec.pool().ParallelFor(first_task.back(), [&](int64_t task) {
    const auto next = std::upper_bound(first_task.begin(), first_task.end(), task);
    const auto i = static_cast<size_t>(next - first_task.begin() - 1);
    const LinearJob& job = jobs[i];
    const int64_t begin = (task - first_task[i]) * kBlockOutputs;
    const int64_t depth = job.w.cols();
    const auto type = *WeightTypeOf(job.w->dtype);
    const std::byte* weights =
        job.w->data + static_cast<size_t>(begin * depth) * DTypeBytes(job.w->dtype);
    kernels.matmul[static_cast<size_t>(type)]({
        .x = job.x.data,
        .x_stride = job.x.cols,
        .w = weights,
        .bias = job.bias ? job.bias.f32() + begin : nullptr,
        .y = job.y.data + begin,
        .y_stride = job.y.cols,
        .rows = job.x.rows,
        .outputs = std::min(kBlockOutputs, job.w.rows() - begin),
        .depth = depth,
    });
  });
}

Matrix Linear(Exec& exec, const Matrix& x, WeightRef w, WeightRef bias) {
  const Matrix y = exec.NewMatrix(x.rows, w.rows());
  const LinearJob job{x, w, bias, y};
  LinearMany(exec, {&job, 1});
  return y;
}

Matrix Embed(Exec& exec, std::span<const int32_t> ids, WeightRef w) {
  for (const int32_t id : ids) {
    if (id < 0 || id >= w.rows()) {
      exec.Fail(
          InvalidArgument(Format("token id {} is outside the vocabulary of {}", id, w.rows())));
    }
  }
  const int64_t d_model = w.cols();
  const Matrix out = exec.NewMatrix(static_cast<int64_t>(ids.size()), d_model);
  if (!exec.ok()) return out;
  const auto widen = [&](const auto* table, const auto& to_f32) {
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto* row = table + ids[i] * d_model;
      std::transform(row, row + d_model, out.Row(static_cast<int64_t>(i)), to_f32);
    }
  };
  switch (*WeightTypeOf(w->dtype)) {
    case WeightType::kF32:
      widen(reinterpret_cast<const float*>(w->data), [](float v) { return v; });
      break;
    case WeightType::kF16:
      widen(reinterpret_cast<const uint16_t*>(w->data), F16ToF32);
      break;
    case WeightType::kBF16:
      widen(reinterpret_cast<const uint16_t*>(w->data), BF16ToF32);
      break;
  }
  return out;
}

Matrix SelectRows(Exec& exec, const Matrix& x, std::span<const int32_t> rows) {
  const Matrix out = exec.NewMatrix(static_cast<int64_t>(rows.size()), x.cols);
  if (!exec.ok()) return out;
  exec.pool().ParallelFor((out.rows + kBlockRows - 1) / kBlockRows, [&](int64_t task) {
    for (int64_t i = task * kBlockRows; i < std::min(out.rows, (task + 1) * kBlockRows); ++i) {
      std::copy_n(x.Row(rows[static_cast<size_t>(i)]), x.cols, out.Row(i));
    }
  });
  return out;
}

}  // namespace moiety
