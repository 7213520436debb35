#include "kernels/limit_loops.h"

#include <vector>

#include "base/cpu_features.h"
#include "base/format.h"

namespace moiety {

extern const LimitLoops kRefLimitLoops;
extern const LimitLoops kRefInt8Loops;
#if defined(__x86_64__)
extern const LimitLoops kAvx2LimitLoops;
extern const LimitLoops kAvx2Int8Loops;
extern const LimitLoops kAvx512LimitLoops;
extern const LimitLoops kAvx512Int8Loops;
extern const LimitLoops kAvx512VnniInt8Loops;
extern const LimitLoops kAvx512Bf16Loops;
extern const LimitLoops kAmxBf16Loops;
#elif defined(__aarch64__)
extern const LimitLoops kNeonLimitLoops;
extern const LimitLoops kNeonInt8Loops;
#endif

namespace {

struct Candidate {
  std::string_view isa;
  Product product;
  bool supported;
  const LimitLoops* loops;
};

// The best first, where a processor has two.
std::vector<Candidate> Candidates() {
  [[maybe_unused]] const CpuFeatures& cpu = DetectedCpuFeatures();
  return {
    {"ref", Product::kF32, true, &kRefLimitLoops}, {"ref", Product::kInt8, true, &kRefInt8Loops},
#if defined(__x86_64__)
        {"avx2", Product::kF32, cpu.avx2, &kAvx2LimitLoops},
        {"avx2", Product::kInt8, cpu.avx2, &kAvx2Int8Loops},
        {"avx512", Product::kF32, cpu.avx512, &kAvx512LimitLoops},
        {"avx512", Product::kInt8, cpu.avx512_vnni, &kAvx512VnniInt8Loops},
        {"avx512", Product::kInt8, cpu.avx512, &kAvx512Int8Loops},
        {"avx512", Product::kBF16, cpu.avx512_bf16, &kAvx512Bf16Loops},
        // Tiles multiply bf16: the rest is done as AVX-512 does it.
        {"amx", Product::kF32, cpu.amx, &kAvx512LimitLoops},
        {"amx", Product::kInt8, cpu.amx, &kAvx512VnniInt8Loops},
        {"amx", Product::kBF16, cpu.amx, &kAmxBf16Loops},
#elif defined(__aarch64__)
        {"neon", Product::kF32, cpu.neon, &kNeonLimitLoops},
        {"neon", Product::kInt8, cpu.neon, &kNeonInt8Loops},
#endif
  };
}

}  // namespace

Result<const LimitLoops*> LimitLoopsOf(std::string_view isa, Product product) {
  for (const Candidate& candidate : Candidates()) {
    if (candidate.isa == isa && candidate.product == product && candidate.supported) {
      return candidate.loops;
    }
  }
  if (product == Product::kBF16) {
    return Unsupported(Format("instruction set {}: no bf16 products here", isa));
  }
  return Unsupported(Format("instruction set {}: its limits cannot be measured here", isa));
}

}  // namespace moiety
