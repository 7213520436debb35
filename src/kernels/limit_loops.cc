#include "kernels/limit_loops.h"

#include "base/cpu_features.h"
#include "base/format.h"

namespace moiety {

extern const LimitLoops kRefLimitLoops;
#if defined(__x86_64__)
extern const LimitLoops kAvx2LimitLoops;
extern const LimitLoops kAvx512LimitLoops;
#elif defined(__aarch64__)
extern const LimitLoops kNeonLimitLoops;
#endif

Result<const LimitLoops*> LimitLoopsOf(std::string_view isa) {
  [[maybe_unused]] const CpuFeatures& cpu = DetectedCpuFeatures();
  if (isa == kRefLimitLoops.isa) return &kRefLimitLoops;
#if defined(__x86_64__)
  if (isa == kAvx2LimitLoops.isa && cpu.avx2) return &kAvx2LimitLoops;
  // Tables that add tiles multiply f32 as AVX-512 does.
  if ((isa == kAvx512LimitLoops.isa || isa == "amx") && cpu.avx512) return &kAvx512LimitLoops;
#elif defined(__aarch64__)
  if (isa == kNeonLimitLoops.isa && cpu.neon) return &kNeonLimitLoops;
#endif
  return Unsupported(Format("instruction set {}: its limits cannot be measured here", isa));
}

}  // namespace moiety
