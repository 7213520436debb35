#include "ops/self_attention.h"

#include <algorithm>
#include <vector>

#include "kernels/kernels.h"
#include "ops/attention.h"
#include "ops/state.h"

namespace moiety {
namespace {

// Query rows whose probabilities are held at a time.
constexpr int64_t kBackwardRows = 64;

struct AttentionValues {
  Matrix queries, keys, values, out;
  int64_t head_dim;
  int64_t window;
  float scale;
};

struct AttentionGradients {
  Matrix dqueries, dkeys, dvalues, dout;
};

// Columns [column, column + head_dim) of rows [begin, begin + count), side by side.
void CopyHead(const Matrix& m, int64_t begin, int64_t count, int64_t column, int64_t head_dim,
              float* to) {
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(m.Row(begin + i) + column, head_dim, to + i * head_dim);
  }
}

// One head of keys and values of one sequence, with all heads of queries that look at it.
class HeadBackward {
 public:
  HeadBackward(const KernelTable& kernels, const AttentionValues& v, const AttentionGradients& g,
               const Segment& segment, int64_t kv_head)
      : kernels_(kernels), v_(v), g_(g), segment_(segment), column_(kv_head * v.head_dim) {
    const auto size = static_cast<size_t>(segment.count * v.head_dim);
    for (std::vector<float>* values : {&keys_, &values_, &dkeys_, &dvalues_}) values->resize(size);
    const auto block = static_cast<size_t>(kBackwardRows * v.head_dim);
    for (std::vector<float>* values : {&queries_, &dout_}) values->resize(block);
    const auto tile = static_cast<size_t>(kBackwardRows * segment.count);
    for (std::vector<float>* values : {&p_, &dp_}) values->resize(tile);
    CopyHead(v.keys, segment.begin, segment.count, column_, v.head_dim, keys_.data());
    CopyHead(v.values, segment.begin, segment.count, column_, v.head_dim, values_.data());
  }

  void Run() {
    const int64_t heads_per_group = v_.queries.cols / v_.keys.cols;
    for (int64_t head = 0; head < heads_per_group; ++head) {
      const int64_t column = column_ * heads_per_group + head * v_.head_dim;
      for (int64_t first = 0; first < segment_.count; first += kBackwardRows) {
        RunRows(first, std::min(kBackwardRows, segment_.count - first), column);
      }
    }
    for (int64_t i = 0; i < segment_.count; ++i) {
      const int64_t row = segment_.begin + i;
      kernels_.add(&dkeys_[static_cast<size_t>(i * v_.head_dim)], v_.head_dim,
                   g_.dkeys.Row(row) + column_);
      kernels_.add(&dvalues_[static_cast<size_t>(i * v_.head_dim)], v_.head_dim,
                   g_.dvalues.Row(row) + column_);
    }
  }

 private:
  // Rows [first, first + rows) of the head of queries that begins at `column`.
  void RunRows(int64_t first, int64_t rows, int64_t column) {
    const int64_t d = v_.head_dim;
    // Keys that these rows see: [begin, begin + n).
    const int64_t begin =
        v_.window == 0 ? 0 : std::max<int64_t>(0, first + 1 - v_.window) / kTileKeys * kTileKeys;
    const int64_t n = first + rows - begin;
    const float* const keys = &keys_[static_cast<size_t>(begin * d)];
    const float* const values = &values_[static_cast<size_t>(begin * d)];
    CopyHead(v_.queries, segment_.begin + first, rows, column, d, queries_.data());
    CopyHead(g_.dout, segment_.begin + first, rows, column, d, dout_.data());

    Multiply(queries_.data(), keys, rows, n, p_.data());
    Multiply(dout_.data(), values, rows, n, dp_.data());
    for (int64_t i = 0; i < rows; ++i) {
      RowGradient(first + i - begin, n, &p_[static_cast<size_t>(i * n)],
                  &dp_[static_cast<size_t>(i * n)]);
    }
    // dv += pᵀ · dout, dk += dsᵀ · q, dq += ds · k
    AddOuter(p_.data(), 1, n, dout_.data(), n, rows, &dvalues_[static_cast<size_t>(begin * d)], d);
    AddOuter(dp_.data(), 1, n, queries_.data(), n, rows, &dkeys_[static_cast<size_t>(begin * d)],
             d);
    AddOuter(dp_.data(), n, 1, keys, rows, n, g_.dqueries.Row(segment_.begin + first) + column,
             g_.dqueries.cols);
  }

  // The scores p and the products dp = dout · v of one row become its probabilities and the
  // gradient of its dot products with keys; its last key is `last`.
  void RowGradient(int64_t last, int64_t n, float* p, float* dp) const {
    const int64_t first = v_.window == 0 ? 0 : std::max<int64_t>(0, last + 1 - v_.window);
    for (int64_t j = first; j <= last; ++j) p[j] *= v_.scale;
    kernels_.softmax(p + first, last + 1 - first);
    float inner = 0;
    for (int64_t j = first; j <= last; ++j) inner += p[j] * dp[j];
    for (int64_t j = first; j <= last; ++j) dp[j] = p[j] * (dp[j] - inner) * v_.scale;
    for (float* row : {p, dp}) {
      std::fill(row, row + first, 0.0F);
      std::fill(row + last + 1, row + n, 0.0F);
    }
  }

  // y [rows, n] = x · wᵀ
  void Multiply(const float* x, const float* w, int64_t rows, int64_t n, float* y) const {
    kernels_.matmul[static_cast<size_t>(WeightType::kF32)]({.x = x,
                                                            .x_stride = v_.head_dim,
                                                            .w = w,
                                                            .bias = nullptr,
                                                            .y = y,
                                                            .y_stride = n,
                                                            .rows = rows,
                                                            .outputs = n,
                                                            .depth = v_.head_dim});
  }
  void AddOuter(const float* a, int64_t a_stride, int64_t a_step, const float* b, int64_t rows,
                int64_t depth, float* y, int64_t y_stride) const {
    kernels_.outer_matmul[static_cast<size_t>(WeightType::kF32)]({.a = a,
                                                                  .a_stride = a_stride,
                                                                  .a_step = a_step,
                                                                  .b = b,
                                                                  .y = y,
                                                                  .y_stride = y_stride,
                                                                  .rows = rows,
                                                                  .cols = v_.head_dim,
                                                                  .depth = depth});
  }

  const KernelTable& kernels_;
  const AttentionValues& v_;
  const AttentionGradients& g_;
  const Segment& segment_;
  int64_t column_;                                      // of the head in keys and values
  std::vector<float> keys_, values_, dkeys_, dvalues_;  // [count, head_dim]
  std::vector<float> queries_, dout_;                   // [kBackwardRows, head_dim]
  std::vector<float> p_, dp_;                           // [kBackwardRows, keys]
};

}  // namespace

Matrix SelfAttention(Exec& exec, const Batch& batch, int64_t layer, const Matrix& queries,
                     const Matrix& keys, const Matrix& values, float scale) {
  StoreKeysAndValues(exec, batch, *batch.layout, layer, keys, values);
  const Matrix out = Attend(exec, batch, *batch.layout, layer, queries, scale);
  if (exec.tape() == nullptr || !exec.ok()) return out;
  for (const Segment& segment : batch.segments) {
    if (segment.position != 0) {
      exec.Fail(InvalidArgument("training: sequences must be given from their first token"));
      return out;
    }
  }
  const StateSpec& spec = batch.layout->layers[static_cast<size_t>(layer)];
  const AttentionValues v = {queries, keys, values, out, spec.head_dim, spec.window, scale};
  exec.tape()->Record([&exec, v, segments = batch.segments] {
    Tape& tape = *exec.tape();
    const Matrix dout = tape.ReceivedGradient(v.out);
    if (dout.data == nullptr) return;
    const AttentionGradients g = {tape.Gradient(v.queries), tape.Gradient(v.keys),
                                  tape.Gradient(v.values), dout};
    if (!tape.status().ok()) return;
    const int64_t kv_heads = v.keys.cols / v.head_dim;
    exec.pool().ParallelFor(static_cast<int64_t>(segments.size()) * kv_heads, [&](int64_t task) {
      const Segment& segment = segments[static_cast<size_t>(task / kv_heads)];
      HeadBackward(exec.kernels(), v, g, segment, task % kv_heads).Run();
    });
    tape.Release(v.out);
  });
  return out;
}

}  // namespace moiety
