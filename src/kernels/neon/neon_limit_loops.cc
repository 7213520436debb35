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

}  // namespace
}  // namespace moiety::neon

#include "kernels/generic/limit_loops_impl.h"

namespace moiety {
extern const LimitLoops kNeonLimitLoops;
const LimitLoops kNeonLimitLoops = {"neon", neon::MultiplyAdd, neon::kFlopsPerBlock, neon::Read};
}  // namespace moiety
