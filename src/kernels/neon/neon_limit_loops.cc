// arm64 NEON: registers of 4 lanes, 32 of them.
#include <arm_neon.h>

#include <cstdint>

#define MOIETY_KERNEL_NAMESPACE neon

namespace moiety::neon {
namespace {

struct Reg {
  using Type = float32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kChains = 24;
  static Type Set(float x) { return vdupq_n_f32(x); }
  static Type Load(const float* p) { return vld1q_f32(p); }
  static Type Fma(Type a, Type b, Type c) { return vfmaq_f32(c, a, b); }
  static Type Add(Type a, Type b) { return vaddq_f32(a, b); }
  static void Store(float* p, Type v) { vst1q_f32(p, v); }
};

struct IntReg {
  using Type = int16x8_t;
  static constexpr int kProducts = 8;
  static constexpr int kChains = 16;
  static Type Zero() { return vdupq_n_s16(0); }
  static Type Step(Type acc) {
    int8x8_t x = vreinterpret_s8_s16(vdup_n_s16(-255));  // 1 and -1
    asm("" : "+w"(x));                                   // multiplied each time
    return vmlal_s8(acc, x, vdup_n_s8(1));
  }
  // Of a lane that took 1 and of one that took -1.
  static int Low(Type acc) { return vgetq_lane_s16(acc, 0) + vgetq_lane_s16(acc, 1); }
};

}  // namespace
}  // namespace moiety::neon

#include "kernels/generic/limit_loops_impl.h"

namespace moiety {
extern const LimitLoops kNeonLimitLoops;
const LimitLoops kNeonLimitLoops = {"neon", neon::MultiplyAdd, neon::kFlopsPerBlock, neon::Read};
extern const LimitLoops kNeonInt8Loops;
const LimitLoops kNeonInt8Loops = {"neon", neon::MultiplyAddInt8, neon::kInt8OpsPerBlock, nullptr};
}  // namespace moiety
