#include "ops/linear.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/format.h"
#include "ops/linear_backward.h"
#include "ops/observer.h"
#include "quant/block_format.h"
#include "quant/number_panels.h"
#include "quant/panels.h"
#include "quant/row_codec.h"

namespace moiety {
namespace {

// Outputs per task: enough work to be worth a task, few enough to share out, and small enough that
// the block of weights stays in the cache while all rows use it.
constexpr int64_t kBlockOutputs = 32;
static_assert(kBlockOutputs % kPanelOutputs == 0 && kBlockOutputs % kNumberPanelOutputs == 0);
// Rows whose gated values a task holds at a time.
constexpr int64_t kGatedRows = 128;
static_assert(kGatedRows % kBf16PackRows == 0);
// Rows per task where rows are only copied.
constexpr int64_t kBlockRows = 16;
// Columns per task where rows are scattered: rows may meet, columns do not.
constexpr int64_t kScatterColumns = 64;

// The kernel that multiplies weights of this type as numbers; nullopt if none does.
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

// Where a task of a list of jobs is: which job, and which block of its outputs.
struct OutputBlock {
  size_t job;
  int64_t begin;
  int64_t count;
};

// Calls body(block) for blocks of all outputs of all jobs with rows, as one parallel loop: a small
// product does not leave threads idle.
template <class Job, class Body>
void ForBlocks(Exec& exec, std::span<const Job> jobs, const Body& body) {
  std::vector<int64_t> num_blocks;
  num_blocks.reserve(jobs.size());
  for (const Job& job : jobs) {
    num_blocks.push_back(job.x.rows == 0 ? 0 : (job.y.cols + kBlockOutputs - 1) / kBlockOutputs);
  }
  ParallelForJobs(exec.pool(), num_blocks, [&](size_t job, int64_t block) {
    const int64_t begin = block * kBlockOutputs;
    body(OutputBlock{job, begin, std::min(kBlockOutputs, jobs[job].y.cols - begin)});
  });
}

// x as it is to be multiplied with some weights.
struct Input {
  Matrix x;
  const uint16_t* bf16 = nullptr;  // packed, or null
  QuantizedRows int8 = {};         // or null
};

// Rounds inputs to what their weights are multiplied with, if that is not f32; once where
// neighbouring jobs share them.
class Inputs {
 public:
  explicit Inputs(Exec& exec) : exec_(exec) {}

  Input Of(const Matrix& x, WeightRef w) {
    if (exec_.observer() != nullptr) exec_.observer()->OnLinear(x, w);
    const DType dtype = w->dtype;
    Input wanted = {x};
    if (IsBlockFormat(dtype)) {
      Input& last = last_[DTypeBlockValues(dtype) == kMaxBlockValues ? 1 : 0];
      if (!Same(last.x, x)) {
        last = {x};
        last.int8 = Quantize(x, static_cast<int64_t>(DTypeBlockValues(dtype)));
      }
      wanted.int8 = last.int8;
    } else if (dtype == DType::kBF16 && exec_.compute() == ComputeType::kBF16) {
      Input& last = last_[2];
      if (!Same(last.x, x)) last = {x, PackBf16(x)};
      wanted.bf16 = last.bf16;
    }
    return wanted;
  }

 private:
  static bool Same(const Matrix& a, const Matrix& b) {
    return a.data == b.data && a.rows == b.rows && a.cols == b.cols;
  }

  const uint16_t* PackBf16(const Matrix& x) {
    const int64_t groups = (x.rows + kBf16PackRows - 1) / kBf16PackRows;
    const int64_t group_values = kBf16PackRows * PackedBf16Stride(x.cols);
    uint16_t* const packed = exec_.Allocate<uint16_t>(groups * group_values);
    if (packed == nullptr) return nullptr;
    exec_.pool().ParallelFor(groups, [&](int64_t group) {
      const int64_t row = group * kBf16PackRows;
      exec_.kernels().pack_bf16(x.Row(row), x.cols, std::min(kBf16PackRows, x.rows - row), x.cols,
                                packed + group * group_values);
    });
    return packed;
  }

  QuantizedRows Quantize(const Matrix& x, int64_t block_values) {
    auto* const values = exec_.Allocate<int8_t>(x.rows * x.cols);
    auto* const scales = exec_.Allocate<float>(x.rows * (x.cols / block_values));
    const int64_t row_sums = x.cols / block_values * BlockSums(block_values);
    auto* const sums = exec_.Allocate<int16_t>(x.rows * row_sums);
    if (!exec_.ok()) return {};
    exec_.pool().ParallelFor((x.rows + kBlockRows - 1) / kBlockRows, [&](int64_t task) {
      const int64_t row = task * kBlockRows;
      exec_.kernels().quantize_rows({
          .x = x.Row(row),
          .x_stride = x.cols,
          .rows = std::min(kBlockRows, x.rows - row),
          .depth = x.cols,
          .block_values = block_values,
          .values = values + row * x.cols,
          .scales = scales + row * (x.cols / block_values),
          .sums = sums + row * row_sums,
      });
    });
    return {values, scales, sums};
  }

  Exec& exec_;
  std::array<Input, 3> last_ = {};  // int8 in blocks of 32 and of 256, bf16
};

// A weight matrix with what it multiplies.
struct Factors {
  Input input;
  WeightRef w;
  WeightRef bias;
};

// y[i, j] = x[first + i] · w[begin + j] + bias[begin + j] for `rows` rows and the block's outputs.
void MultiplyBlock(const KernelTable& kernels, const Factors& f, int64_t first, int64_t rows,
                   const OutputBlock& block, float* y, int64_t y_stride) {
  const int64_t depth = f.w.cols();
  const std::byte* const w =
      f.w->data + DTypeBytes(f.w->dtype, static_cast<uint64_t>(block.begin * depth));
  const float* const bias = f.bias ? f.bias.f32() + block.begin : nullptr;
  if (IsBlockFormat(f.w->dtype)) {
    const auto block_values = static_cast<int64_t>(DTypeBlockValues(f.w->dtype));
    const int64_t row_blocks = depth / block_values;
    const QuantizedRows& x = f.input.int8;
    kernels.block_matmul({
        .format = f.w->dtype,
        .layout = f.w->layout,
        .x = {x.values + first * depth, x.scales + first * row_blocks,
              x.sums + first * row_blocks * BlockSums(block_values)},
        .w = w,
        .bias = bias,
        .y = y,
        .y_stride = y_stride,
        .rows = rows,
        .outputs = block.count,
        .depth = depth,
    });
    return;
  }
  const auto multiply = [&](const auto& function, const auto* x, int64_t stride) {
    function({
        .x = x + first * stride,
        .x_stride = stride,
        .w = w,
        .bias = bias,
        .y = y,
        .y_stride = y_stride,
        .rows = rows,
        .outputs = block.count,
        .depth = depth,
        .layout = f.w->layout,
    });
  };
  if (f.input.bf16 != nullptr) {
    multiply(kernels.matmul_bf16, f.input.bf16, PackedBf16Stride(depth));
  } else {
    multiply(kernels.matmul[static_cast<size_t>(*WeightTypeOf(f.w->dtype))], f.input.x.data, depth);
  }
}

void RecordLinearMany(Exec& exec, std::span<const LinearJob> jobs) {
  for (const LinearJob& job : jobs) {
    if (!WeightTypeOf(job.w->dtype)) {
      exec.Fail(Unsupported(Format("training: {} is in {}; expected F32, F16 or BF16", job.w->name,
                                   DTypeName(job.w->dtype))));
      return;
    }
  }
  exec.tape()->Record([&exec, copy = std::vector<LinearJob>(jobs.begin(), jobs.end())] {
    LinearManyBackward(exec, copy);
  });
}

// y = activation(gate) · up
struct GatedValues {
  Matrix gate, up, y;
  Activation activation;
};

// Calls body(i, first row, number of values) for the rows of all of them.
template <class Body>
void ForGatedRows(Exec& exec, std::span<const GatedValues> all, const Body& body) {
  std::vector<int64_t> num_tasks;
  for (const GatedValues& g : all) num_tasks.push_back((g.y.rows + kBlockRows - 1) / kBlockRows);
  ParallelForJobs(exec.pool(), num_tasks, [&](size_t i, int64_t task) {
    const int64_t row = task * kBlockRows;
    body(i, row, std::min(kBlockRows, all[i].y.rows - row) * all[i].y.cols);
  });
}

void GatedBackward(Exec& exec, std::span<const GatedValues> all) {
  Tape& tape = *exec.tape();
  struct Gradients {
    Matrix dy, dgate, dup;
  };
  std::vector<GatedValues> used;
  std::vector<Gradients> gradients;
  for (const GatedValues& g : all) {
    const Matrix dy = tape.ReceivedGradient(g.y);
    if (dy.data == nullptr) continue;
    used.push_back(g);
    gradients.push_back({dy, tape.Gradient(g.gate), tape.Gradient(g.up)});
  }
  if (!tape.status().ok()) return;
  ForGatedRows(exec, used, [&](size_t i, int64_t row, int64_t count) {
    const GatedValues& g = used[i];
    const auto backward = g.activation == Activation::kSilu ? exec.kernels().silu_mul_backward
                                                            : exec.kernels().gelu_tanh_mul_backward;
    backward(g.gate.Row(row), g.up.Row(row), gradients[i].dy.Row(row), count,
             gradients[i].dgate.Row(row), gradients[i].dup.Row(row));
  });
  for (const GatedValues& g : all) tape.Release(g.y);
}

// GatedLinearMany in pieces whose values the way back needs.
void RecordGatedLinearMany(Exec& exec, std::span<const GatedLinearJob> jobs) {
  std::vector<LinearJob> products;
  for (const GatedLinearJob& job : jobs) {
    products.push_back({job.x, job.gate, job.gate_bias, exec.NewMatrix(job.y.rows, job.y.cols)});
    products.push_back({job.x, job.up, job.up_bias, exec.NewMatrix(job.y.rows, job.y.cols)});
  }
  if (!exec.ok()) return;
  LinearMany(exec, products);
  std::vector<GatedValues> gated;
  for (size_t i = 0; i < jobs.size(); ++i) {
    gated.push_back({products[2 * i].y, products[2 * i + 1].y, jobs[i].y, jobs[i].activation});
  }
  ForGatedRows(exec, gated, [&](size_t i, int64_t row, int64_t count) {
    const GatedValues& g = gated[i];
    const auto activate =
        g.activation == Activation::kSilu ? exec.kernels().silu_mul : exec.kernels().gelu_tanh_mul;
    activate(g.gate.Row(row), g.up.Row(row), count, g.y.Row(row));
  });
  exec.tape()->Record([&exec, gated = std::move(gated)] { GatedBackward(exec, gated); });
}

// to[rows[i]] += from[i]; rows may repeat.
void AddToRows(Exec& exec, const Matrix& from, std::span<const int32_t> rows, int64_t cols,
               float* to) {
  exec.pool().ParallelFor((cols + kScatterColumns - 1) / kScatterColumns, [&](int64_t task) {
    const int64_t begin = task * kScatterColumns;
    const int64_t count = std::min(kScatterColumns, cols - begin);
    for (int64_t i = 0; i < from.rows; ++i) {
      exec.kernels().add(from.Row(i) + begin, count,
                         to + rows[static_cast<size_t>(i)] * cols + begin);
    }
  });
}

}  // namespace

bool IsVectorType(DType dtype) { return WeightTypeOf(dtype).has_value(); }

void LinearMany(Exec& exec, std::span<const LinearJob> jobs) {
  if (!exec.ok()) return;
  if (exec.tape() != nullptr) RecordLinearMany(exec, jobs);
  const Exec::Scope scope(exec);
  Inputs inputs(exec);
  std::vector<Factors> factors;
  for (const LinearJob& job : jobs) {
    MOIETY_CHECK(job.x.cols == job.w.cols() && job.y.cols == job.w.rows() &&
                 job.x.rows == job.y.rows);
    factors.push_back({inputs.Of(job.x, job.w), job.w, job.bias});
  }
  if (!exec.ok()) return;
  ForBlocks(exec, jobs, [&](const OutputBlock& block) {
    const LinearJob& job = jobs[block.job];
    MultiplyBlock(exec.kernels(), factors[block.job], 0, job.x.rows, block,
                  job.y.data + block.begin, job.y.cols);
  });
}

void GatedLinearMany(Exec& exec, std::span<const GatedLinearJob> jobs) {
  if (!exec.ok()) return;
  if (exec.tape() != nullptr) {
    RecordGatedLinearMany(exec, jobs);
    return;
  }
  const Exec::Scope scope(exec);
  Inputs inputs(exec);
  std::vector<Factors> gates;
  std::vector<Factors> ups;
  for (const GatedLinearJob& job : jobs) {
    MOIETY_CHECK(job.x.cols == job.gate.cols() && job.x.cols == job.up.cols() &&
                 job.y.cols == job.gate.rows() && job.y.cols == job.up.rows() &&
                 job.x.rows == job.y.rows);
    gates.push_back({inputs.Of(job.x, job.gate), job.gate, job.gate_bias});
    ups.push_back({inputs.Of(job.x, job.up), job.up, job.up_bias});
  }
  if (!exec.ok()) return;
  const KernelTable& kernels = exec.kernels();
  ForBlocks(exec, jobs, [&](const OutputBlock& block) {
    const GatedLinearJob& job = jobs[block.job];
    const auto activate =
        job.activation == Activation::kSilu ? kernels.silu_mul : kernels.gelu_tanh_mul;
    std::array<float, kGatedRows * kBlockOutputs> up;
    for (int64_t first = 0; first < job.x.rows; first += kGatedRows) {
      const int64_t rows = std::min(kGatedRows, job.x.rows - first);
      float* y = job.y.Row(first) + block.begin;
      MultiplyBlock(kernels, gates[block.job], first, rows, block, y, job.y.cols);
      MultiplyBlock(kernels, ups[block.job], first, rows, block, up.data(), block.count);
      for (int64_t i = 0; i < rows; ++i) {
        float* gate = y + i * job.y.cols;
        activate(gate, up.data() + i * block.count, block.count, gate);
      }
    }
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
  for (size_t i = 0; i < ids.size(); ++i) {
    DecodeRowOf(*w.operator->(), ids[i], out.Row(static_cast<int64_t>(i)));
  }
  if (exec.tape() != nullptr) {
    exec.tape()->Record([&exec, w, out, rows = std::vector<int32_t>(ids.begin(), ids.end())] {
      Tape& tape = *exec.tape();
      const Matrix dy = tape.ReceivedGradient(out);
      float* const dw = tape.Gradient(w);
      if (dy.data != nullptr && dw != nullptr) AddToRows(exec, dy, rows, dy.cols, dw);
      tape.Release(out);
    });
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
  if (exec.tape() == nullptr) return out;
  exec.Record(
      x, out,
      [&exec, from = std::vector<int32_t>(rows.begin(), rows.end())](
          const Matrix& dy, const Matrix& dx) { AddToRows(exec, dy, from, dy.cols, dx.data); });
  return out;
}

}  // namespace moiety
