// BlockLanes of AVX2; see generic/block_matmul_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include <immintrin.h>

#include <cstdint>

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct BlockLanes {
  using Words [[gnu::vector_size(32)]] = uint32_t;
  using Ints [[gnu::vector_size(32)]] = int32_t;
  using Floats [[gnu::vector_size(32)]] = float;

  static constexpr int64_t kLanes = 8;
  static constexpr int kTileRows = 4;
  static constexpr bool kSigned = true;

  static Floats Half(Words bits) {
    const auto low = (__m256i)(bits & 0xFFFF);
    const __m128i halves =
        _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    return (Floats)_mm256_cvtph_ps(halves);
  }
  static Words LookUp(const uint8_t* table, Words indices) {
    const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return (Words)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), (__m256i)indices);
  }
  static Floats Fma(Floats a, Floats b, Floats c) {
    return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
  }

  template <class F, int K, int R, class Codes>
  static void Dot(const Codes& codes, const int8_t* const* x, Ints* out) {
    // Sums of two products that fit an int16 together.
    constexpr int kFit = F::kNumCodes > 128 ? 1 : 32767 / ((F::kNumCodes - 1) * 127 * 2);
    constexpr int kRun = kFit < K ? kFit : K;
    static_assert(K % kRun == 0);
#pragma GCC unroll 8
    for (int first = 0; first < K; first += kRun) {
      __m256i pairs[R];
#pragma GCC unroll 8
      for (int i = 0; i < kRun; ++i) {
        const int k = first + i;
        const auto w = (__m256i)codes(k);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          int32_t four;
          __builtin_memcpy(&four, x[r] + 4 * k, sizeof(four));
          const __m256i dot = DotPairs<F>(w, _mm256_set1_epi32(four));
          pairs[r] = i == 0 ? dot : _mm256_add_epi16(pairs[r], dot);
        }
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        out[r] += (Ints)_mm256_madd_epi16(pairs[r], _mm256_set1_epi16(1));
      }
    }
  }

  static Ints Pairs(Ints out, Words pairs, int32_t two) {
    return out + (Ints)_mm256_madd_epi16((__m256i)pairs, _mm256_set1_epi32(two));
  }

 private:
  // Sums of two neighbouring products. Codes above 128 have a sign here, which goes to the values:
  // the instruction wants one factor without.
  template <class F>
  static __m256i DotPairs(__m256i codes, __m256i x) {
    if constexpr (F::kNumCodes <= 128) return _mm256_maddubs_epi16(codes, x);
    return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes));
  }
};

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
