// Isa and BlockSums of NEON; see generic/block_matmul_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include <arm_neon.h>

#include <cstdint>

#include "quant/codes.h"

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct Isa {
  MOIETY_INLINE static float Half(uint16_t bits) {
    __fp16 half;
    __builtin_memcpy(&half, &bits, sizeof(half));
    return static_cast<float>(half);
  }
  MOIETY_INLINE static Bytes32 LookUp(const uint8_t* table, Bytes32 indices) {
    const uint8x16_t entries = vld1q_u8(table);
    uint8x16_t halves[2];
    __builtin_memcpy(halves, &indices, sizeof(halves));
    for (uint8x16_t& half : halves) half = vqtbl1q_u8(entries, half);
    __builtin_memcpy(&indices, halves, sizeof(halves));
    return indices;
  }
};

struct BlockSums {
  int32x4_t v;

  static constexpr int64_t kLanes = 4;

  void Store(int32_t* p) const { vst1q_s32(p, v); }

  template <class F>
  MOIETY_INLINE static BlockSums Dot(const Codes& codes, const int8_t* x, const int16_t* sums) {
    constexpr bool kFlip = F::kNumCodes > 128;  // to bytes with a sign, which need no offset
    constexpr int kOffset = kFlip ? 0 : F::kOffset;
    int32x4_t total = vdupq_n_s32(0);
#pragma GCC unroll 16
    for (int part = 0; part < F::kValues / kPartValues; ++part) {
      uint8x16_t bytes = vld1q_u8(codes.codes + kPartValues * part);
      if constexpr (kFlip) bytes = veorq_u8(bytes, vdupq_n_u8(128));
      const int8x16_t c = vreinterpretq_s8_u8(bytes);
      const int8x16_t values = vld1q_s8(x + kPartValues * part);
      // Two products fit an int16.
      const int16x8_t pairs =
          vmlal_high_s8(vmull_s8(vget_low_s8(c), vget_low_s8(values)), c, values);
      const int32_t factor = F::kValues == kMaxBlockValues ? codes.parts[part] : 1;
      total = vmlaq_n_s32(total, vpaddlq_s16(pairs), factor);
      if constexpr (kOffset != 0) {
        total = vsetq_lane_s32(vgetq_lane_s32(total, 0) - kOffset * factor * sums[part], total, 0);
      }
    }
    return {total};
  }

  template <class F>
  MOIETY_INLINE static BlockSums MinDot(const Codes& codes, const int16_t* sums) {
    int32_t dot = 0;
    for (int part = 0; part < F::kValues / kPartValues; ++part)
      dot += codes.mins[part] * sums[part];
    return {vsetq_lane_s32(dot, vdupq_n_s32(0), 0)};
  }

  static void SumLanes(const int32_t* lanes, float* sums) {
    const int32x4_t a = vpaddq_s32(vld1q_s32(lanes), vld1q_s32(lanes + 4));
    const int32x4_t b = vpaddq_s32(vld1q_s32(lanes + 8), vld1q_s32(lanes + 12));
    vst1q_f32(sums, vcvtq_f32_s32(vpaddq_s32(a, b)));
  }
};

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
