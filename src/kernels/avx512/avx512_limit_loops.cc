// AVX-512: registers of 16 lanes, 32 of them.
#include <immintrin.h>

#include <cstdint>

#define MOIETY_KERNEL_NAMESPACE avx512

namespace moiety::avx512 {
namespace {

struct Reg {
  using Type = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kChains = 16;
  static Type Set(float x) { return _mm512_set1_ps(x); }
  static Type Load(const float* p) { return _mm512_loadu_ps(p); }
  static Type Fma(Type a, Type b, Type c) { return _mm512_fmadd_ps(a, b, c); }
  static Type Add(Type a, Type b) { return _mm512_add_ps(a, b); }
  static void Store(float* p, Type v) { _mm512_storeu_ps(p, v); }
};

}  // namespace
}  // namespace moiety::avx512

#include "kernels/generic/limit_loops_impl.h"

namespace moiety {
extern const LimitLoops kAvx512LimitLoops;
const LimitLoops kAvx512LimitLoops = {"avx512", avx512::MultiplyAdd, avx512::kFlopsPerBlock,
                                      avx512::Read};
}  // namespace moiety
