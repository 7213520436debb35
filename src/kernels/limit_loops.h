// LimitLoops: what a processor can do at most with one instruction set. The measuring commands
// hold the kernels of that instruction set against these.
#ifndef MOIETY_KERNELS_LIMIT_LOOPS_H_
#define MOIETY_KERNELS_LIMIT_LOOPS_H_

#include <cstdint>
#include <string_view>

#include "moiety/status.h"

namespace moiety {

// The products that kernels do most of: of f32, of bf16 (KernelTable::matmul_bf16), or of int8
// (KernelTable::block_matmul).
enum class Product : uint8_t { kF32, kBF16, kInt8 };

// The functions return a value that depends on all the work, so that no compiler leaves it out.
// They are for one thread; every thread may run them at the same time.
struct LimitLoops {
  const char* isa;  // as in KernelTable, but for tables that share the loops of another

  // `count` times a block of multiply-adds that need no memory and do not wait for each other.
  float (*multiply_add)(int64_t count);
  int64_t flops_per_block;  // a multiply-add is two

  // Reads `count` values in order. x on a cache line, count a multiple of kReadBlock.
  // Null but for kF32: reading has nothing to do with products.
  float (*read)(const float* x, int64_t count);
};
inline constexpr int64_t kReadBlock = 128;

// The loops of an instruction set that this processor has: of every table of AvailableKernels().
// Fails with kUnsupported for another name, and for kBF16 where the table has none of them.
Result<const LimitLoops*> LimitLoopsOf(std::string_view isa, Product product = Product::kF32);

}  // namespace moiety

#endif  // MOIETY_KERNELS_LIMIT_LOOPS_H_
