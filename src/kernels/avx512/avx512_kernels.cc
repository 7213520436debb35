// AVX-512 (F, BW, VL, DQ). Compiled with flags of its own (isa.cmake).
#define MOIETY_KERNEL_NAMESPACE avx512

#include "kernels/avx512/avx512_block_lanes.h"
#include "kernels/avx512/avx512_vec.h"
#include "kernels/kernels.h"

// After what they are built from.
#include "kernels/generic/block_matmul_impl.h"
#include "kernels/generic/kernels_impl.h"

namespace moiety {
extern const KernelTable kAvx512Kernels;
namespace avx512 {
namespace {
constexpr KernelTable kTable = MOIETY_GENERIC_KERNEL_TABLE("avx512");
}  // namespace
}  // namespace avx512
const KernelTable kAvx512Kernels = avx512::kTable;

// With avx512bf16/, where the processor has it.
void MultiplyAvx512Bf16(const Bf16MatmulArgs& args);
void MatmulAvx512Bf16(const Bf16MatmulArgs& args);
void MatmulAvx512Bf16(const Bf16MatmulArgs& args) {
  avx512::CountCall();
  MultiplyAvx512Bf16(args);
}

// With avx512vnni/, where the processor has it.
void MultiplyAvx512Vnni(const BlockMatmulArgs& args);
void BlockMatmulAvx512Vnni(const BlockMatmulArgs& args);
void BlockMatmulAvx512Vnni(const BlockMatmulArgs& args) {
  avx512::CountCall();
  MultiplyAvx512Vnni(args);
}
}  // namespace moiety
