// BlockLanes of NEON; see generic/block_matmul_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include <arm_neon.h>

#include <cstdint>

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct BlockLanes {
  using Words [[gnu::vector_size(16)]] = uint32_t;
  using Ints [[gnu::vector_size(16)]] = int32_t;
  using Floats [[gnu::vector_size(16)]] = float;

  static constexpr int64_t kLanes = 4;
  static constexpr int kTileRows = 8;
  static constexpr bool kSigned = true;

  static Floats Half(Words bits) {
    return (Floats)vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32((uint32x4_t)bits)));
  }
  static Words LookUp(const uint8_t* table, Words indices) {
    return (Words)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)indices);
  }
  static Floats Fma(Floats a, Floats b, Floats c) {
    return (Floats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
  }

  template <class F, int K, int R, class Codes>
  static void Dot(const Codes& codes, const int8_t* const* x, Ints* out) {
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const auto w = (int8x16_t)codes(k);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        int32_t four;
        __builtin_memcpy(&four, x[r] + 4 * k, sizeof(four));
        const int8x16_t values = vreinterpretq_s8_s32(vdupq_n_s32(four));
        const int16x8_t pairs =
            vpaddq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(values)), vmull_high_s8(w, values));
        out[r] = (Ints)vpadalq_s16((int32x4_t)out[r], pairs);
      }
    }
  }

  static Ints Pairs(Ints out, Words pairs, int32_t two) {
    const auto a = (int16x8_t)pairs;
    const int16x8_t b = vreinterpretq_s16_s32(vdupq_n_s32(two));
    return out +
           (Ints)vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
  }
};

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
