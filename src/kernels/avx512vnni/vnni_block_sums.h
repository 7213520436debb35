// BlockSums with VPDPBUSD: half the instructions of AVX2's; see generic/block_matmul_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include "kernels/avx2/avx2_block_sums.h"

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct BlockSums : Avx2BlockSums {
  template <class F>
  MOIETY_INLINE static Avx2BlockSums Dot(const Codes& codes, const int8_t* x, const int16_t* sums) {
    // Four products of a code below 64 and an int8 fit 16 bits: parts are then factors of pairs.
    if constexpr (F::kValues != kMaxBlockValues || F::kNumCodes > 64) {
      return Avx2BlockSums::Dot<F>(codes, x, sums);
    } else {
      // Of lane L of 16 bytes: four times part L, then four times part L + 4.
      static constexpr uint64_t kOnce = 0x0001000100010001;
      const __m512i order = _mm512_set_epi64(7 * kOnce, 3 * kOnce, 6 * kOnce, 2 * kOnce, 5 * kOnce,
                                             kOnce, 4 * kOnce, 0);
      const __m256i parts =
          _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(codes.parts)));
      const __m512i words = _mm512_castsi256_si512(parts);
      const __m512i first = _mm512_permutexvar_epi16(order, words);
      const __m512i second =
          _mm512_permutexvar_epi16(_mm512_add_epi16(order, _mm512_set1_epi16(8)), words);
      __m512i total = _mm512_dpwssd_epi32(_mm512_setzero_si512(), Fours(codes.codes, x), first);
      total = _mm512_dpwssd_epi32(total, Fours(codes.codes + 128, x + 128), second);
      __m256i sum =
          _mm256_add_epi32(_mm512_castsi512_si256(total), _mm512_extracti64x4_epi64(total, 1));
      if constexpr (F::kOffset != 0) {
        const __m256i factors = _mm256_mullo_epi16(parts, _mm256_set1_epi16(-F::kOffset));
        const __m256i of_values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums));
        sum = _mm256_dpwssd_epi32(sum, factors, of_values);
      }
      return {sum};
    }
  }

 private:
  // Sums of four neighbouring products of 128: of the first 64 and the second, lane by lane.
  MOIETY_INLINE static __m512i Fours(const uint8_t* codes, const int8_t* x) {
    const __m512i zero = _mm512_setzero_si512();
    return _mm512_packs_epi32(
        _mm512_dpbusd_epi32(zero, Load64(codes), _mm512_loadu_si512(x)),
        _mm512_dpbusd_epi32(zero, Load64(codes + 64), _mm512_loadu_si512(x + 64)));
  }
  // As two halves, the way they were stored.
  MOIETY_INLINE static __m512i Load64(const uint8_t* p) {
    const auto* halves = reinterpret_cast<const __m256i*>(p);
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_load_si256(halves)),
                              _mm256_load_si256(halves + 1), 1);
  }
};

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
