// Context: what every computation needs, passed down instead of global state.
#ifndef MOIETY_BASE_CONTEXT_H_
#define MOIETY_BASE_CONTEXT_H_

#include <cstdint>

#include "base/memory_budget.h"
#include "base/parallel.h"

namespace moiety {

struct KernelTable;  // kernels/kernels.h

// How products of matrices are computed. kBF16: activations are rounded to bf16 before they meet
// bf16 weights, in the processor's own bf16 arithmetic; other instruction sets give other bits.
enum class ComputeType : uint8_t { kF32, kBF16 };

// Owned by whoever opens a model; outlives everything that computes with it.
struct Context {
  Context(int num_threads, const KernelTable& table, uint64_t memory_limit_bytes,
          ComputeType compute_type = ComputeType::kF32)
      : pool(num_threads), kernels(table), budget(memory_limit_bytes), compute(compute_type) {}

  ThreadPool pool;
  const KernelTable& kernels;
  MemoryBudget budget;
  const ComputeType compute;
};

}  // namespace moiety

#endif  // MOIETY_BASE_CONTEXT_H_
