#include "ops/losses.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/exact_math.h"
#include "base/format.h"
#include "kernels/kernels.h"

namespace moiety {
namespace {

// Σ over rows of row_loss(i, gradient row or null, log Σ exp of the row), rows in order. The
// gradient row is there to be added to. `row_losses` gets the terms unless it is empty.
template <class RowLoss>
double SumOverRows(Exec& exec, const Matrix& logits, std::span<double> row_losses,
                   const RowLoss& row_loss) {
  if (!exec.ok() || logits.size() == 0) return 0;
  const Matrix gradient = exec.tape() == nullptr ? Matrix{} : exec.tape()->Gradient(logits);
  if (exec.tape() != nullptr && gradient.data == nullptr) {
    exec.Fail(exec.tape()->status());
    return 0;
  }
  std::vector<double> losses(static_cast<size_t>(logits.rows));
  exec.pool().ParallelFor(logits.rows, [&](int64_t i) {
    const float* const row = logits.Row(i);
    const float max = *std::max_element(row, row + logits.cols);
    const float sum = exec.kernels().sum_exp(row, logits.cols, max);
    const double log_sum = static_cast<double>(max) + ExactLog(static_cast<double>(sum));
    losses[static_cast<size_t>(i)] =
        row_loss(i, gradient.data == nullptr ? nullptr : gradient.Row(i), log_sum);
  });
  double total = 0;
  for (const double loss : losses) total += loss;
  if (!row_losses.empty()) std::copy(losses.begin(), losses.end(), row_losses.begin());
  return total;
}

// to += factor · softmax(row)
void AddSoftmax(Exec& exec, const Matrix& logits, int64_t i, float factor, float* to) {
  thread_local std::vector<float> p;
  p.assign(logits.Row(i), logits.Row(i) + logits.cols);
  exec.kernels().softmax(p.data(), logits.cols);
  exec.kernels().axpy(factor, p.data(), logits.cols, to);
}

}  // namespace

double CrossEntropy(Exec& exec, const Matrix& logits, std::span<const int32_t> targets, float scale,
                    std::span<double> row_losses) {
  if (!exec.ok()) return 0;
  MOIETY_CHECK(logits.rows == static_cast<int64_t>(targets.size()));
  MOIETY_CHECK(row_losses.empty() || row_losses.size() == targets.size());
  for (const int32_t target : targets) {
    if (target == kIgnoredTarget || (target >= 0 && target < logits.cols)) continue;
    exec.Fail(
        InvalidArgument(Format("target {} is outside the vocabulary of {}", target, logits.cols)));
    return 0;
  }
  return SumOverRows(exec, logits, row_losses, [&](int64_t i, float* gradient, double log_sum) {
    const int32_t target = targets[static_cast<size_t>(i)];
    if (target == kIgnoredTarget) return 0.0;
    if (gradient != nullptr) {
      AddSoftmax(exec, logits, i, scale, gradient);
      gradient[target] -= scale;
    }
    return log_sum - static_cast<double>(logits.Row(i)[target]);
  });
}

double SquaredLogSumExp(Exec& exec, const Matrix& logits, float scale) {
  return SumOverRows(exec, logits, {}, [&](int64_t i, float* gradient, double log_sum) {
    if (gradient != nullptr) {
      AddSoftmax(exec, logits, i, 2 * scale * static_cast<float>(log_sum), gradient);
    }
    return log_sum * log_sum;
  });
}

}  // namespace moiety
