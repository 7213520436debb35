#include "kernels/limit_loops.h"

#include "base/cpu_features.h"
#include "base/format.h"

namespace moiety {

extern const LimitLoops kRefLimitLoops;
#if defined(__x86_64__)
extern const LimitLoops kAvx2LimitLoops;
extern const LimitLoops kAvx512LimitLoops;
float MultiplyAddAvx512Bf16(int64_t count);
extern const int64_t kAvx512Bf16FlopsPerBlock;
float MultiplyAddAmx(int64_t count);
extern const int64_t kAmxFlopsPerBlock;
#elif defined(__aarch64__)
extern const LimitLoops kNeonLimitLoops;
#endif

Result<const LimitLoops*> LimitLoopsOf(std::string_view isa, bool bf16) {
  [[maybe_unused]] const CpuFeatures& cpu = DetectedCpuFeatures();
#if defined(__x86_64__)
  if (bf16) {
    static const LimitLoops avx512 = {kAvx512LimitLoops.isa, MultiplyAddAvx512Bf16,
                                      kAvx512Bf16FlopsPerBlock, kAvx512LimitLoops.read};
    static const LimitLoops amx = {"amx", MultiplyAddAmx, kAmxFlopsPerBlock,
                                   kAvx512LimitLoops.read};
    if (isa == avx512.isa && cpu.avx512_bf16) return &avx512;
    if (isa == amx.isa && cpu.amx) return &amx;
  }
#endif
  if (bf16) return Unsupported(Format("instruction set {}: no bf16 products here", isa));
  if (isa == kRefLimitLoops.isa) return &kRefLimitLoops;
#if defined(__x86_64__)
  if (isa == kAvx2LimitLoops.isa && cpu.avx2) return &kAvx2LimitLoops;
  // Tiles multiply no f32: that table does it as AVX-512 does.
  if ((isa == kAvx512LimitLoops.isa || isa == "amx") && cpu.avx512) return &kAvx512LimitLoops;
#elif defined(__aarch64__)
  if (isa == kNeonLimitLoops.isa && cpu.neon) return &kNeonLimitLoops;
#endif
  return Unsupported(Format("instruction set {}: its limits cannot be measured here", isa));
}

}  // namespace moiety
