// How fast AVX-512 BF16 multiplies at most; see limit_loops.h.
#include <immintrin.h>

#include <cstdint>

#include "kernels/limit_loops.h"

namespace moiety {

extern const LimitLoops kAvx512Bf16Loops;

namespace {

constexpr int kChains = 16;

float MultiplyAdd(int64_t count) {
  // 1 · 1 + 1 · -1: the sums stay what they are.
  const auto a = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3F803F80));
  const auto b = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(0xBF803F80U)));
  __m512 acc[kChains];
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) acc[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 32
    for (int i = 0; i < kChains; ++i) acc[i] = _mm512_dpbf16_ps(acc[i], a, b);
  }
  __m512 sum = acc[0];
  for (int i = 1; i < kChains; ++i) sum = _mm512_add_ps(sum, acc[i]);
  return _mm512_cvtss_f32(sum);
}

}  // namespace

const LimitLoops kAvx512Bf16Loops = {"avx512", MultiplyAdd, int64_t{2} * 32 * kChains, nullptr};

}  // namespace moiety
