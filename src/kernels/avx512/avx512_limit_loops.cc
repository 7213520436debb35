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

// Sums of two neighbouring products, and of those: what all kernels need.
struct IntReg {
  using Type = __m512i;
  static constexpr int kProducts = 64;
  static constexpr int kChains = 8;
  static Type Zero() { return _mm512_setzero_si512(); }
  static Type Step(Type acc) {
    Type x = _mm512_set1_epi16(-255);  // 1 and -1
    asm("" : "+v"(x));                 // multiplied each time
    return _mm512_add_epi16(acc, _mm512_maddubs_epi16(_mm512_set1_epi8(1), x));
  }
  static int Low(Type acc) { return _mm_extract_epi16(_mm512_castsi512_si128(acc), 0) & 0xFFFF; }
};

}  // namespace
}  // namespace moiety::avx512

#include "kernels/generic/limit_loops_impl.h"

namespace moiety {
extern const LimitLoops kAvx512LimitLoops;
const LimitLoops kAvx512LimitLoops = {"avx512", avx512::MultiplyAdd, avx512::kFlopsPerBlock,
                                      avx512::Read};
extern const LimitLoops kAvx512Int8Loops;
const LimitLoops kAvx512Int8Loops = {"avx512", avx512::MultiplyAddInt8, avx512::kInt8OpsPerBlock,
                                     nullptr};
}  // namespace moiety
