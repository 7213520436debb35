// AMX: the kernels of AVX-512, with products of bf16 in tiles. Compiled with flags of its own
// (isa.cmake).
#define MOIETY_KERNEL_NAMESPACE amx

#include "kernels/avx512/avx512_vec.h"
#include "kernels/kernels.h"

namespace moiety {
void MultiplyAvx512Vnni(const BlockMatmulArgs& args);
namespace amx {
namespace {
// Every processor with AMX has VNNI.
void MultiplyBlocks(const BlockMatmulArgs& args) { MultiplyAvx512Vnni(args); }
}  // namespace
}  // namespace amx
}  // namespace moiety

// After what they are built from.
#include "kernels/amx/tile_matmul.h"
#include "kernels/amx/tiles.h"
#include "kernels/generic/kernels_impl.h"

namespace moiety {
extern const KernelTable kAmxKernels;
namespace amx {
namespace {

void MatmulBf16(const Bf16MatmulArgs& args) {
  CountCall();
  TileMatmul<Tiles>(args);
}

constexpr KernelTable kGeneric = MOIETY_GENERIC_KERNEL_TABLE("amx");
constexpr KernelTable WithTiles() {
  KernelTable table = kGeneric;
  table.matmul_bf16 = MatmulBf16;
  table.pack_bf16 = PackTiles;
  return table;
}

}  // namespace
}  // namespace amx
const KernelTable kAmxKernels = amx::WithTiles();
}  // namespace moiety
