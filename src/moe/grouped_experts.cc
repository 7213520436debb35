#include "moe/grouped_experts.h"

#include <algorithm>
#include <vector>

#include "kernels/kernels.h"
#include "ops/linear.h"
#include "ops/training_noise.h"

namespace moiety {
namespace {

constexpr int64_t kRowsPerTask = 16;

// Rows [begin, end) of a matrix.
Matrix Slice(const Matrix& m, int64_t begin, int64_t end) {
  return {m.Row(begin), end - begin, m.cols};
}

}  // namespace

Matrix RunGroupedExperts(Exec& exec, const Matrix& packed, const DispatchPlan& plan,
                         std::span<const FeedForward> experts, ExpertSource* source,
                         const Batch& batch, int64_t layer) {
  const int64_t d_expert = experts[0].gate.rows();
  const Matrix out = exec.NewMatrix(packed.rows, packed.cols);
  const Exec::ValueScope scope(exec);
  const Matrix hidden = exec.NewMatrix(packed.rows, d_expert);
  if (!exec.ok()) return out;

  // The products of all experts that are there run as one loop, so that an expert with few rows
  // does not leave threads idle.
  std::vector<GatedLinearJob> in;
  std::vector<LinearJob> back;
  const auto add = [&](int64_t e) {
    const int64_t begin = plan.begin[static_cast<size_t>(e)];
    const int64_t end = plan.begin[static_cast<size_t>(e) + 1];
    const FeedForward& expert = experts[static_cast<size_t>(e)];
    const Matrix h = Slice(hidden, begin, end);
    in.push_back({Slice(packed, begin, end), expert.gate, expert.gate_bias, expert.up,
                  expert.up_bias, h, expert.activation});
    back.push_back({h, expert.down, expert.down_bias, Slice(out, begin, end)});
  };
  const auto run = [&] {
    GatedLinearMany(exec, in);
    const Matrix kept = ExpertDropout(exec, hidden, plan.rows, batch, layer);
    if (!exec.ok()) return;
    for (LinearJob& job : back) job.x.data = kept.data + (job.x.data - hidden.data);
    LinearMany(exec, back);
    in.clear();
    back.clear();
  };
  if (source == nullptr) {
    for (int64_t e = 0; e < plan.num_experts(); ++e) {
      if (plan.load(e) > 0) add(e);
    }
    run();
    return out;
  }
  while (exec.ok()) {
    const Result<std::span<const int32_t>> arrived = source->Next();
    if (!arrived.ok()) exec.Fail(arrived.status());
    if (!arrived.ok() || arrived->empty()) break;
    for (const int32_t e : *arrived) add(e);
    run();
  }
  return out;
}

Matrix Combine(Exec& exec, const Matrix& expert_rows, const RouterOutput& routed,
               const DispatchPlan& plan) {
  const Matrix y = exec.NewMatrix(routed.num_tokens, expert_rows.cols);
  if (!exec.ok()) return y;
  // Choices stand by token: where each token's begin.
  std::vector<size_t> first(static_cast<size_t>(routed.num_tokens) + 1, 0);
  for (const RoutedToken& choice : routed.routed) ++first[static_cast<size_t>(choice.token) + 1];
  for (size_t t = 1; t < first.size(); ++t) first[t] += first[t - 1];
  exec.pool().ParallelFor((y.rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    for (int64_t t = task * kRowsPerTask; t < std::min(y.rows, (task + 1) * kRowsPerTask); ++t) {
      std::fill_n(y.Row(t), y.cols, 0.0F);
      for (size_t i = first[static_cast<size_t>(t)]; i < first[static_cast<size_t>(t) + 1]; ++i) {
        exec.kernels().axpy(routed.routed[i].weight, expert_rows.Row(plan.packed[i]), y.cols,
                            y.Row(t));
      }
    }
  });
  if (exec.tape() == nullptr) return y;
  // Each packed row belongs to one choice, so choices can be taken in any order:
  // d expert_row = weight · dy[token], d weight = dy[token] · expert_row.
  exec.Record(
      expert_rows, y,
      [&exec, expert_rows, weights = routed.weights, choices = routed.routed, packed = plan.packed](
          const Matrix& dy, const Matrix& drows) {
        const Matrix dweights = weights.data == nullptr ? Matrix{} : exec.tape()->Gradient(weights);
        if (!exec.tape()->status().ok()) return;
        const auto num_choices = static_cast<int64_t>(choices.size());
        exec.pool().ParallelFor((num_choices + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
          const int64_t end = std::min(num_choices, (task + 1) * kRowsPerTask);
          for (int64_t i = task * kRowsPerTask; i < end; ++i) {
            const auto [token, expert, weight] = choices[static_cast<size_t>(i)];
            const int64_t row = packed[static_cast<size_t>(i)];
            exec.kernels().axpy(weight, dy.Row(token), dy.cols, drows.Row(row));
            if (dweights.data == nullptr) continue;
            float product = 0;
            exec.kernels().matmul[static_cast<size_t>(WeightType::kF32)]({.x = dy.Row(token),
                                                                          .x_stride = dy.cols,
                                                                          .w = expert_rows.Row(row),
                                                                          .bias = nullptr,
                                                                          .y = &product,
                                                                          .y_stride = 1,
                                                                          .rows = 1,
                                                                          .outputs = 1,
                                                                          .depth = dy.cols});
            dweights.data[i] += product;
          }
        });
      });
  return y;
}

}  // namespace moiety
