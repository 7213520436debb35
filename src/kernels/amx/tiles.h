// The tile registers of AMX, for tile_matmul.h and for measuring.
#ifndef MOIETY_KERNELS_AMX_TILES_H_
#define MOIETY_KERNELS_AMX_TILES_H_

#include <cstdint>

namespace moiety {
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

}  // namespace
}  // namespace moiety

#endif  // MOIETY_KERNELS_AMX_TILES_H_
