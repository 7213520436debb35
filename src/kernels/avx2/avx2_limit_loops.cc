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

// Sums of two neighbouring products, and of those: what all kernels need.
struct IntReg {
  using Type = __m256i;
  static constexpr int kProducts = 32;
  static constexpr int kChains = 8;
  static Type Zero() { return _mm256_setzero_si256(); }
  static Type Step(Type acc) {
    Type x = _mm256_set1_epi16(-255);  // 1 and -1
    asm("" : "+x"(x));                 // multiplied each time
    return _mm256_add_epi16(acc, _mm256_maddubs_epi16(_mm256_set1_epi8(1), x));
  }
  static int Low(Type acc) { return _mm256_extract_epi16(acc, 0) & 0xFFFF; }
};

}  // namespace
}  // namespace moiety::avx2

#include "kernels/generic/limit_loops_impl.h"

namespace moiety {
extern const LimitLoops kAvx2LimitLoops;
const LimitLoops kAvx2LimitLoops = {"avx2", avx2::MultiplyAdd, avx2::kFlopsPerBlock, avx2::Read};
extern const LimitLoops kAvx2Int8Loops;
const LimitLoops kAvx2Int8Loops = {"avx2", avx2::MultiplyAddInt8, avx2::kInt8OpsPerBlock, nullptr};
}  // namespace moiety
