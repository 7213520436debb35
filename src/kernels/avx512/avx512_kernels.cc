// AVX-512 (F, BW, VL, DQ). Compiled with flags of its own (isa.cmake).
#define MOIETY_KERNEL_NAMESPACE avx512

#include "kernels/avx512/avx512_vec.h"
// After what it is built from.
#include "kernels/generic/kernels_impl.h"

namespace moiety {
extern const KernelTable kAvx512Kernels;
namespace avx512 {
namespace {
constexpr KernelTable kTable = MOIETY_GENERIC_KERNEL_TABLE("avx512");
}
}  // namespace avx512
const KernelTable kAvx512Kernels = avx512::kTable;

// With avx512bf16/, where the processor has it.
void MultiplyAvx512Bf16(const Bf16MatmulArgs& args);
void MatmulAvx512Bf16(const Bf16MatmulArgs& args);
void MatmulAvx512Bf16(const Bf16MatmulArgs& args) {
  avx512::CountCall();
  MultiplyAvx512Bf16(args);
}
}  // namespace moiety
