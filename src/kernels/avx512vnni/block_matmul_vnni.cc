// AVX-512 VNNI: products with blocks, four bytes at a time (VPDPBUSD). Compiled with flags of its
// own (isa.cmake).
#define MOIETY_KERNEL_NAMESPACE avx512vnni

#include "kernels/kernels.h"
// After what they are built from.
#include "kernels/avx512/avx512_block_lanes.h"
#include "kernels/generic/block_matmul_impl.h"

namespace moiety {
void MultiplyAvx512Vnni(const BlockMatmulArgs& args);
void MultiplyAvx512Vnni(const BlockMatmulArgs& args) { avx512vnni::MultiplyBlocks(args); }
}  // namespace moiety
