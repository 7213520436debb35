// PanelInts of NEON; see generic/block_matmul_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include <arm_neon.h>

#include <cstdint>

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct PanelInts {
  int32x4_t v;

  static constexpr int64_t kLanes = 4;
  static constexpr int kBlockRows = 8;
  static constexpr int64_t kMinPanelRows = 5;
  static constexpr bool kSigned = true;

  static PanelInts Zero() { return Set(0); }
  static PanelInts Set(int32_t x) { return {vdupq_n_s32(x)}; }
  static PanelInts Load(const int32_t* p) { return {vld1q_s32(p)}; }

  template <class F, int K, int R>
  static void DotPart(const uint8_t* w, const int8_t* const* x, int at, PanelInts* out) {
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const int8x16_t codes = vreinterpretq_s8_u8(vld1q_u8(w + 16 * k));
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        int32_t four;
        __builtin_memcpy(&four, x[r] + at + 4 * k, sizeof(four));
        const int8x16_t values = vreinterpretq_s8_s32(vdupq_n_s32(four));
        const int16x8_t pairs = vpaddq_s16(vmull_s8(vget_low_s8(codes), vget_low_s8(values)),
                                           vmull_high_s8(codes, values));
        out[r].v = vpadalq_s16(out[r].v, pairs);
      }
    }
  }

  static PanelInts Pairs(PanelInts out, const int16_t* pairs, const int16_t* two) {
    int32_t both;
    __builtin_memcpy(&both, two, sizeof(both));
    const int16x8_t a = vld1q_s16(pairs);
    const int16x8_t b = vreinterpretq_s16_s32(vdupq_n_s32(both));
    return {vaddq_s32(
        out.v, vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b)))};
  }

  static void MulAdd(PanelInts sums, const float* scales, float factor, float* acc) {
    const float32x4_t scale = vmulq_n_f32(vld1q_f32(scales), factor);
    vst1q_f32(acc, vfmaq_f32(vld1q_f32(acc), scale, vcvtq_f32_s32(sums.v)));
  }

  // 4 rows, `stride` bytes apart, of 4 groups of 4 bytes: group k of row r to place 4 · k + r.
  static void Transpose(const uint8_t* from, int64_t stride, uint8_t* to) {
    for (int k = 0; k < 4; ++k) {
      for (int r = 0; r < 4; ++r) {
        __builtin_memcpy(to + 16 * k + 4 * r, from + r * stride + 4 * k, 4);
      }
    }
  }
};

inline PanelInts operator+(PanelInts a, PanelInts b) { return {vaddq_s32(a.v, b.v)}; }
inline PanelInts operator*(PanelInts a, PanelInts b) { return {vmulq_s32(a.v, b.v)}; }

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
