// MachineLimits: how fast this machine reads memory and multiplies, measured.
#ifndef MOIETY_STUDY_MACHINE_LIMITS_H_
#define MOIETY_STUDY_MACHINE_LIMITS_H_

#include <cstdint>

#include "base/aligned.h"
#include "base/context.h"
#include "kernels/limit_loops.h"
#include "moiety/status.h"

namespace moiety {

// Every number is the best of several passes of all threads of the context's pool: a limit is what
// the machine can do, not what it did while something else ran.
class MachineLimits {
 public:
  // Caches hide memory from anything smaller.
  static constexpr uint64_t kReadBytes = uint64_t{4} << 30;

  // Reads kReadBytes, or half of what the budget or the machine has left if that is less (a
  // megabyte at least). Multiplies what the model's products multiply. `mapped_bytes` of files are
  // to stay in memory beside it. The memory is kept, as getting it again takes longer than reading
  // it, and disturbs; it is not the model's. Fails with kResourceExhausted where the machine has
  // none, and with kUnsupported for an instruction set without limit loops.
  // No more than `max_bytes` are read; if that is less than kReadBytes they are taken from the
  // budget.
  static Result<MachineLimits> Create(Context& context, Product product, uint64_t mapped_bytes,
                                      uint64_t max_bytes = kReadBytes);

  // Memory that reading was measured over.
  uint64_t read_bytes() const { return read_bytes_; }
  // Best of all calls so far.
  double read_bytes_per_s() const { return read_bytes_per_s_; }
  // Multiply-adds in registers, of `product` and the instruction set of the context's kernels; an
  // add and a multiplication are two operations.
  double flops_per_s() const { return flops_per_s_; }
  Product product() const { return product_; }

  // These measure what the machine can do now. The limit of a program that reads `bytes` over and
  // over: what fits a cache is read faster than memory.
  double ReadLimit(uint64_t bytes);
  double MultiplyLimit();

 private:
  MachineLimits(Context& context, Product product) : context_(&context), product_(product) {}
  double MeasureReading(uint64_t bytes);
  double MeasureMultiplying();

  Context* context_;
  Product product_;
  const LimitLoops* read_loops_ = nullptr;      // of the fastest instruction set
  const LimitLoops* multiply_loops_ = nullptr;  // of the kernels'
  AlignedBytes memory_;
  MemoryBudget::Reservation reservation_;
  uint64_t read_bytes_ = 0;
  double read_bytes_per_s_ = 0;
  double flops_per_s_ = 0;
};

}  // namespace moiety

#endif  // MOIETY_STUDY_MACHINE_LIMITS_H_
