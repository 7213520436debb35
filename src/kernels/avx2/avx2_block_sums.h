// Isa and BlockSums of AVX2, with which AVX-512 reads few rows, too; see
// generic/block_matmul_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include <immintrin.h>

#include <cstdint>

#include "quant/codes.h"

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct Isa {
  MOIETY_INLINE static float Half(uint16_t bits) { return _cvtsh_ss(bits); }
  MOIETY_INLINE static Bytes32 LookUp(const uint8_t* table, Bytes32 indices) {
    const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return (Bytes32)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), (__m256i)indices);
  }
};

struct Avx2BlockSums {
  __m256i v;

  static constexpr int64_t kLanes = 8;

  void Store(int32_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }

  template <class F>
  MOIETY_INLINE static Avx2BlockSums Dot(const Codes& codes, const int8_t* x, const int16_t* sums) {
    constexpr bool kFlip = F::kNumCodes > 128;  // to bytes with a sign, which need no offset
    constexpr int kOffset = kFlip ? 0 : F::kOffset;
    if constexpr (F::kValues == 32) {
      const __m128i offset = _mm_cvtsi32_si128(-kOffset * (sums[0] + sums[1]));
      return {
          _mm256_add_epi32(_mm256_madd_epi16(DotPairs<kFlip>(codes.codes, x), _mm256_set1_epi16(1)),
                           _mm256_zextsi128_si256(offset))};
    } else {
      const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(codes.parts));
      // Even parts in the lower half, odd ones in the upper.
      const __m256i parts = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(
          bytes, _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15)));
      __m256i total = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        const auto word = static_cast<int16_t>((2 * i + 1) * 256 + 2 * i);
        const __m256i factors = _mm256_shuffle_epi8(parts, _mm256_set1_epi16(word));
        const __m256i pairs = DotPairs<kFlip>(codes.codes + 32 * i, x + 32 * i);
        total = _mm256_add_epi32(total, _mm256_madd_epi16(pairs, factors));
      }
      if constexpr (kOffset != 0) {
        const __m256i factors =
            _mm256_mullo_epi16(_mm256_cvtepi8_epi16(bytes), _mm256_set1_epi16(-kOffset));
        total = _mm256_add_epi32(total, _mm256_madd_epi16(factors, Load(sums)));
      }
      return {total};
    }
  }

  template <class F>
  MOIETY_INLINE static Avx2BlockSums MinDot(const Codes& codes, const int16_t* sums) {
    if constexpr (F::kValues == 32) {
      const __m128i dot = _mm_cvtsi32_si128(codes.mins[0] * sums[0] + codes.mins[1] * sums[1]);
      return {_mm256_zextsi128_si256(dot)};
    } else {
      const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(codes.mins));
      return {_mm256_madd_epi16(_mm256_cvtepu8_epi16(bytes), Load(sums))};
    }
  }

  static void SumLanes(const int32_t* lanes, float* sums) {
    const auto two = [&](int i) {
      return _mm256_hadd_epi32(Load(lanes + 8 * i), Load(lanes + 8 * i + 8));
    };
    const __m256i a = _mm256_hadd_epi32(two(0), two(2));
    const __m256i b = _mm256_hadd_epi32(two(4), two(6));
    const __m256i sum = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                         _mm256_permute2x128_si256(a, b, 0x31));
    _mm256_store_ps(sums, _mm256_cvtepi32_ps(sum));
  }

 private:
  static __m256i Load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  // Sums of two neighbouring products of 32. Codes with a sign give it to the values: the
  // instruction wants one factor without.
  template <bool kFlip>
  MOIETY_INLINE static __m256i DotPairs(const uint8_t* codes, const int8_t* x) {
    if constexpr (!kFlip) return _mm256_maddubs_epi16(Load(codes), Load(x));
    const __m256i c = _mm256_xor_si256(Load(codes), _mm256_set1_epi8(-128));
    return _mm256_maddubs_epi16(_mm256_abs_epi8(c), _mm256_sign_epi8(Load(x), c));
  }
};

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
