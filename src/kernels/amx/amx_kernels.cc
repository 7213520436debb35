// AMX: the kernels of AVX-512, with products of bf16 in tiles. Compiled with flags of its own
// (isa.cmake).
#define MOIETY_KERNEL_NAMESPACE amx

#include "kernels/avx512/avx512_vec.h"
// After what they are built from.
#include "kernels/amx/tile_matmul.h"
#include "kernels/generic/kernels_impl.h"

namespace moiety {
extern const KernelTable kAmxKernels;
namespace amx {
namespace {

// In assembly: the compilers' intrinsics take no template parameters, and gcc 12 drops the stores
// that fill the configuration.
struct Tiles {
  // All eight registers whole: 16 rows of 64 bytes.
  static void Configure() {
    struct alignas(64) {
      uint8_t palette = 1;
      uint8_t start_row = 0;
      uint8_t reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    static_assert(sizeof(config) == 64);
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  static void Release() { asm volatile("tilerelease"); }
  template <int kRegister>
  static void Zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(kRegister));
  }
  template <int kRegister>
  static void Load(const uint16_t* p, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
                 :
                 : "r"(p), "r"(stride * 2), "i"(kRegister)
                 : "memory");
  }
  template <int kSum, int kLeft, int kRight>
  static void Multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kLeft), "i"(kRight));
  }
  template <int kRegister>
  static void Store(float* p) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
                 :
                 : "r"(p), "r"(int64_t{64}), "i"(kRegister)
                 : "memory");
  }
};

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
