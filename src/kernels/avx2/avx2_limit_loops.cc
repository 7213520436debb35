// AVX2 + FMA: registers of 8 lanes, 16 of them.
#include <immintrin.h>

#include <cstdint>

#define MOIETY_KERNEL_NAMESPACE avx2

namespace moiety::avx2 {
namespace {

struct Reg {
  using Type = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kChains = 12;
  static Type Set(float x) { return _mm256_set1_ps(x); }
  static Type Load(const float* p) { return _mm256_loadu_ps(p); }
  static Type Fma(Type a, Type b, Type c) { return _mm256_fmadd_ps(a, b, c); }
  static Type Add(Type a, Type b) { return _mm256_add_ps(a, b); }
  static void Store(float* p, Type v) { _mm256_storeu_ps(p, v); }
};

}  // namespace
}  // namespace moiety::avx2

#include "kernels/generic/limit_loops_impl.h"

namespace moiety {
extern const LimitLoops kAvx2LimitLoops;
const LimitLoops kAvx2LimitLoops = {"avx2", avx2::MultiplyAdd, avx2::kFlopsPerBlock, avx2::Read};
}  // namespace moiety
