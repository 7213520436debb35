// Compute: what the operations of ops/ and moe/ need to run in a test.
#ifndef MOIETY_TESTS_SUPPORT_COMPUTE_H_
#define MOIETY_TESTS_SUPPORT_COMPUTE_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/arena.h"
#include "base/context.h"
#include "kernels/kernels.h"
#include "ops/exec.h"
#include "support/random_values.h"
#include "tensor/matrix.h"

namespace moiety {

// A pool, a budget, an arena and an Exec over them; results live as long as it does.
struct Compute {
  explicit Compute(int num_threads = 1, Observer* observer = nullptr,
                   uint64_t memory_limit_bytes = MemoryBudget::kUnlimited,
                   ComputeType compute = ComputeType::kF32)
      : context(num_threads, *AvailableKernels().back(), memory_limit_bytes, compute),
        arena(context.budget),
        exec(context, arena, observer) {}

  // A matrix of this Compute's memory that holds `values`.
  Matrix NewMatrix(int64_t rows, int64_t cols, const std::vector<float>& values) {
    const Matrix m = exec.NewMatrix(rows, cols);
    std::copy_n(values.begin(), m.size(), m.data);
    return m;
  }
  Matrix NewRandomMatrix(int64_t rows, int64_t cols, uint64_t seed, double scale = 1) {
    return NewMatrix(rows, cols, RandomValues(rows * cols, seed, scale));
  }

  Context context;
  Arena arena;
  Exec exec;
};

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_COMPUTE_H_
