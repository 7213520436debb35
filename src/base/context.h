// Context: what every computation needs, passed down instead of global state.
#ifndef MOIETY_BASE_CONTEXT_H_
#define MOIETY_BASE_CONTEXT_H_

#include "base/memory_budget.h"
#include "base/parallel.h"

namespace moiety {

struct KernelTable;  // kernels/kernels.h

// Owned by whoever opens a model; outlives everything that computes with it.
struct Context {
  Context(int num_threads, const KernelTable& table, uint64_t memory_limit_bytes)
      : pool(num_threads), kernels(table), budget(memory_limit_bytes) {}

  ThreadPool pool;
  const KernelTable& kernels;
  MemoryBudget budget;
};

}  // namespace moiety

#endif  // MOIETY_BASE_CONTEXT_H_
