// How fast AVX-512 VNNI multiplies at most; see limit_loops.h.
#include <immintrin.h>

#include <cstdint>

#include "kernels/limit_loops.h"

namespace moiety {

extern const LimitLoops kAvx512VnniInt8Loops;

namespace {

constexpr int kChains = 16;

float MultiplyAdd(int64_t count) {
  // 1 · 1 + 1 · -1 + …: the sums stay what they are.
  const __m512i a = _mm512_set1_epi8(1);
  const __m512i b = _mm512_set1_epi16(-255);
  __m512i acc[kChains];
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) acc[i] = _mm512_set1_epi32(i);
  for (int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 32
    for (int i = 0; i < kChains; ++i) acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
  }
  __m512i sum = acc[0];
  for (int i = 1; i < kChains; ++i) sum = _mm512_add_epi32(sum, acc[i]);
  return static_cast<float>(_mm_cvtsi128_si32(_mm512_castsi512_si128(sum)));
}

}  // namespace

const LimitLoops kAvx512VnniInt8Loops = {"avx512", MultiplyAdd, int64_t{2} * 64 * kChains, nullptr};

}  // namespace moiety
