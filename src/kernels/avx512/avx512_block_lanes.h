// BlockLanes of AVX-512, with VNNI where the file that includes this is compiled for it; see
// generic/block_matmul_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include <immintrin.h>

#include <cstdint>

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct BlockLanes {
  using Words [[gnu::vector_size(64)]] = uint32_t;
  using Ints [[gnu::vector_size(64)]] = int32_t;
  using Floats [[gnu::vector_size(64)]] = float;

  static constexpr int64_t kLanes = 16;
  static constexpr int kTileRows = 4;
  static constexpr bool kSigned = false;

  static Floats Half(Words bits) {
    return (Floats)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)bits));
  }
  static Words LookUp(const uint8_t* table, Words indices) {
    const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return (Words)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(entries), (__m512i)indices);
  }
  static Floats Fma(Floats a, Floats b, Floats c) {
    return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
  }

  template <class F, int K, int R, class Codes>
  static void Dot(const Codes& codes, const int8_t* const* x, Ints* out) {
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const auto w = (__m512i)codes(k);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        int32_t four;
        __builtin_memcpy(&four, x[r] + 4 * k, sizeof(four));
        out[r] = (Ints)Fours<F::kNumCodes>((__m512i)out[r], w, _mm512_set1_epi32(four));
      }
    }
  }

  static Ints Pairs(Ints out, Words pairs, int32_t two) {
    const __m512i b = _mm512_set1_epi32(two);
#ifdef __AVX512VNNI__
    return (Ints)_mm512_dpwssd_epi32((__m512i)out, (__m512i)pairs, b);
#else
    return out + (Ints)_mm512_madd_epi16((__m512i)pairs, b);
#endif
  }

 private:
  // acc + the products of 4 neighbouring codes (below kCodes) and values per lane.
  template <int kCodes>
  static __m512i Fours(__m512i acc, __m512i codes, __m512i x) {
#ifdef __AVX512VNNI__
    return _mm512_dpbusd_epi32(acc, codes, x);
#else
    const __m512i ones = _mm512_set1_epi16(1);
    const auto pairs = [&](__m512i c) {
      return _mm512_madd_epi16(_mm512_maddubs_epi16(c, x), ones);
    };
    if constexpr (kCodes <= 128) return _mm512_add_epi32(acc, pairs(codes));
    // Sums of two products need 17 bits: the lowest bit apart.
    const __m512i low = _mm512_set1_epi8(1);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(codes, 1), _mm512_set1_epi8(127));
    return _mm512_add_epi32(_mm512_add_epi32(acc, pairs(_mm512_and_si512(codes, low))),
                            _mm512_slli_epi32(pairs(high), 1));
#endif
  }
};

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
