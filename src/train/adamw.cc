#include "train/adamw.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace moiety {
namespace {

constexpr int64_t kStepChunk = 16384;  // values that one task changes

// base^exponent by squaring: a beta of 0 has no logarithm.
double IntegerPower(double base, int64_t exponent) {
  double power = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) power *= base;
    base *= base;
  }
  return power;
}

class AdamW : public Optimizer {
 public:
  AdamW(std::vector<OptimizedTensor> tensors, const AdamWOptions& options,
        std::unique_ptr<float[]> memory, size_t count, MemoryBudget::Reservation reservation)
      : tensors_(std::move(tensors)),
        options_(options),
        memory_(std::move(memory)),
        num_values_(count),
        reservation_(std::move(reservation)) {}

  void Step(ThreadPool& pool, int64_t step, double learning_rate, float gradient_scale) override {
    MOIETY_CHECK(step >= 1);
    const auto rate = static_cast<float>(learning_rate / (1 - IntegerPower(options_.beta1, step)));
    const auto second_scale =
        static_cast<float>(1 / std::sqrt(1 - IntegerPower(options_.beta2, step)));
    const auto beta1 = static_cast<float>(options_.beta1);
    const auto beta2 = static_cast<float>(options_.beta2);
    const auto rest1 = static_cast<float>(1 - options_.beta1);
    const auto rest2 = static_cast<float>(1 - options_.beta2);
    const auto eps = static_cast<float>(options_.eps);
    std::vector<int64_t> num_chunks;
    std::vector<size_t> first;
    size_t begin = 0;
    for (const OptimizedTensor& tensor : tensors_) {
      const auto count = static_cast<int64_t>(tensor.values.size());
      num_chunks.push_back((count + kStepChunk - 1) / kStepChunk);
      first.push_back(begin);
      begin += tensor.values.size();
    }
    ParallelForJobs(pool, num_chunks, [&](size_t i, int64_t chunk) {
      const OptimizedTensor& tensor = tensors_[i];
      const auto from = static_cast<size_t>(chunk * kStepChunk);
      const size_t count = std::min<size_t>(kStepChunk, tensor.values.size() - from);
      float* const p = tensor.values.data() + from;
      const float* const g = tensor.gradient.data() + from;
      float* const m = memory_.get() + first[i] + from;
      float* const v = m + num_values_;
      const float keep =
          tensor.decays ? static_cast<float>(1 - learning_rate * options_.weight_decay) : 1.0F;
      for (size_t k = 0; k < count; ++k) {
        const float gradient = g[k] * gradient_scale;
        m[k] = beta1 * m[k] + rest1 * gradient;
        v[k] = beta2 * v[k] + rest2 * (gradient * gradient);
        p[k] = p[k] * keep - rate * (m[k] / (std::sqrt(v[k]) * second_scale + eps));
      }
    });
  }

  std::vector<OptimizerState> State() override {
    std::vector<OptimizerState> state;
    float* next = memory_.get();
    for (const OptimizedTensor& tensor : tensors_) {
      const size_t count = tensor.values.size();
      state.push_back({"exp_avg." + tensor.name, {next, count}});
      state.push_back({"exp_avg_sq." + tensor.name, {next + num_values_, count}});
      next += count;
    }
    return state;
  }

  size_t state_bytes() const override { return 2 * num_values_ * sizeof(float); }

 private:
  std::vector<OptimizedTensor> tensors_;
  AdamWOptions options_;
  std::unique_ptr<float[]> memory_;  // all first moments, then all second ones
  size_t num_values_;
  MemoryBudget::Reservation reservation_;
};

}  // namespace

Result<std::unique_ptr<Optimizer>> MakeAdamW(std::vector<OptimizedTensor> tensors,
                                             const AdamWOptions& options, MemoryBudget& budget) {
  size_t count = 0;
  for (const OptimizedTensor& tensor : tensors) {
    MOIETY_CHECK(tensor.gradient.size() == tensor.values.size());
    count += tensor.values.size();
  }
  const size_t bytes = 2 * count * sizeof(float);
  MOIETY_ASSIGN_OR_RETURN(MemoryBudget::Reservation reservation,
                          budget.Reserve(MemoryUse::kBuffers, bytes));
  std::unique_ptr<float[]> memory(new (std::nothrow) float[2 * count]());
  if (memory == nullptr) {
    return ResourceExhausted(
        Format("out of memory: no {} for the optimizer's moments", FormatBytes(bytes)));
  }
  return std::unique_ptr<Optimizer>(std::make_unique<AdamW>(
      std::move(tensors), options, std::move(memory), count, std::move(reservation)));
}

}  // namespace moiety
