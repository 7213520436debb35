// TapedCompute: a Compute whose operations record their way back.
#ifndef MOIETY_TESTS_SUPPORT_TAPED_COMPUTE_H_
#define MOIETY_TESTS_SUPPORT_TAPED_COMPUTE_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/arena.h"
#include "base/context.h"
#include "kernels/kernels.h"
#include "ops/exec.h"
#include "ops/tape.h"
#include "support/random_values.h"
#include "tensor/matrix.h"

namespace moiety {

// The tape may have less memory than the values; without `record` nothing is recorded.
struct TapedCompute {
  explicit TapedCompute(int num_threads = 1,
                        const KernelTable& kernels = *AvailableKernels().back(), bool record = true,
                        uint64_t tape_limit_bytes = MemoryBudget::kUnlimited)
      : context(num_threads, kernels, MemoryBudget::kUnlimited),
        tape_budget(tape_limit_bytes),
        arena(context.budget),
        tape(tape_budget),
        exec(context, arena, nullptr, record ? &tape : nullptr) {}

  Matrix NewMatrix(int64_t rows, int64_t cols, const std::vector<float>& values) {
    const Matrix m = exec.NewMatrix(rows, cols);
    std::copy_n(values.begin(), m.size(), m.data);
    return m;
  }
  Matrix NewRandomMatrix(int64_t rows, int64_t cols, uint64_t seed, double scale = 1) {
    return NewMatrix(rows, cols, RandomValues(rows * cols, seed, scale));
  }
  // As a loss would: adds to the gradient of y.
  void AddGradient(const Matrix& y, const std::vector<float>& gradient) {
    const Matrix dy = tape.Gradient(y);
    for (int64_t i = 0; i < dy.size() && dy.data != nullptr; ++i) {
      dy.data[i] += gradient[static_cast<size_t>(i)];
    }
  }

  Context context;
  MemoryBudget tape_budget;
  Arena arena;
  Tape tape;
  Exec exec;
};

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_TAPED_COMPUTE_H_
