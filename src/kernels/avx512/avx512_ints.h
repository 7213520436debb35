// Ints of AVX-512, with VNNI where the file that includes this is compiled for it; see
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

inline float Half(uint16_t bits) { return _cvtsh_ss(bits); }

struct Ints {
  __m512i v;

  static constexpr int64_t kLanes = 16;
  static constexpr int kBlockRows = 8;
  static constexpr int64_t kMinPanelRows = 5;
  static constexpr bool kSigned = false;

  static Ints Zero() { return {_mm512_setzero_si512()}; }
  static Ints Set(int32_t x) { return {_mm512_set1_epi32(x)}; }
  static Ints Load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
  void Store(int32_t* p) const { _mm512_storeu_si512(p, v); }

  template <class F>
  static Ints BlockDot(const Codes& codes, const int8_t* x, const int16_t* sums) {
    constexpr int kWidth = F::kNumCodes;
    if constexpr (F::kValues == 32) {
      const __m512i c =
          _mm512_castsi256_si512(_mm256_load_si256(reinterpret_cast<const __m256i*>(codes.codes)));
      const __m512i values =
          _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
      const __m256i dot = _mm512_castsi512_si256(Dot<kWidth>(_mm512_setzero_si512(), c, values));
      const __m128i offset = _mm_cvtsi32_si128(-F::kOffset * (sums[0] + sums[1]));
      return {_mm512_zextsi256_si512(_mm256_add_epi32(dot, _mm256_zextsi128_si256(offset)))};
    } else {
      const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(codes.parts));
      // A product of neighbouring int16 is one of int32 where both fit and the upper half of one is
      // 0.
      constexpr bool kNarrow = (F::kNumCodes - 1) * 127 * 4 < 32768;
      __m512i parts = _mm512_cvtepi8_epi32(bytes);
      if constexpr (kNarrow) parts = _mm512_and_si512(parts, _mm512_set1_epi32(0xFFFF));
      const __m512i lane_parts = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
      __m512i total[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const __m512i dot =
            Dot<kWidth>(_mm512_setzero_si512(), _mm512_load_si512(codes.codes + 64 * i),
                        _mm512_loadu_si512(x + 64 * i));
        const __m512i factor =
            _mm512_permutexvar_epi32(_mm512_add_epi32(lane_parts, _mm512_set1_epi32(4 * i)), parts);
        total[i % 2] = _mm512_add_epi32(total[i % 2], kNarrow ? _mm512_madd_epi16(dot, factor)
                                                              : _mm512_mullo_epi32(dot, factor));
      }
      if constexpr (F::kOffset != 0) {
        const __m256i factors =
            _mm256_mullo_epi16(_mm256_cvtepi8_epi16(bytes), _mm256_set1_epi16(-F::kOffset));
        const __m256i offset =
            _mm256_madd_epi16(factors, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums)));
        total[0] = _mm512_add_epi32(total[0], _mm512_zextsi256_si512(offset));
      }
      return {_mm512_add_epi32(total[0], total[1])};
    }
  }

  template <class F>
  static Ints MinDot(const uint8_t* mins, const int16_t* sums) {
    if constexpr (F::kValues == 32) {
      return {_mm512_zextsi128_si512(_mm_cvtsi32_si128(mins[0] * sums[0] + mins[1] * sums[1]))};
    } else {
      return {_mm512_zextsi256_si512(_mm256_madd_epi16(
          _mm256_cvtepu8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(mins))),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums))))};
    }
  }

  static void SumLanes(const int32_t* lanes, float* sums) {
    __m512i t[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const __m512i a = _mm512_load_si512(lanes + 32 * i);
      const __m512i b = _mm512_load_si512(lanes + 32 * i + 16);
      t[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(t[2 * i], t[2 * i + 1]),
                              _mm512_unpackhi_epi64(t[2 * i], t[2 * i + 1]));
    }
    const auto join = [](__m512i a, __m512i b) {
      return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD));
    };
    _mm512_store_ps(sums, _mm512_cvtepi32_ps(join(join(t[0], t[1]), join(t[2], t[3]))));
  }

  template <class F, int K, int R>
  static void DotPart(const uint8_t* w, const int8_t* const* x, int at, Ints* out) {
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const __m512i codes = _mm512_load_si512(w + k * 64);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        int32_t four;
        __builtin_memcpy(&four, x[r] + at + 4 * k, sizeof(four));
        out[r].v = Dot<F::kNumCodes>(out[r].v, codes, _mm512_set1_epi32(four));
      }
    }
  }

  static Ints Pairs(Ints out, const int16_t* pairs, const int16_t* two) {
    int32_t both;
    __builtin_memcpy(&both, two, sizeof(both));
    const __m512i a = _mm512_load_si512(pairs);
    const __m512i b = _mm512_set1_epi32(both);
#ifdef __AVX512VNNI__
    return {_mm512_dpwssd_epi32(out.v, a, b)};
#else
    return {_mm512_add_epi32(out.v, _mm512_madd_epi16(a, b))};
#endif
  }

  static void MulAdd(Ints sums, const float* scales, float factor, float* acc) {
    const __m512 scale = _mm512_mul_ps(_mm512_load_ps(scales), _mm512_set1_ps(factor));
    _mm512_store_ps(acc, _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(sums.v), _mm512_load_ps(acc)));
  }

  // 16 rows, `stride` bytes apart, of 16 groups of 4 bytes: group k of row r to place 16 · k + r.
  static void Transpose(const uint8_t* from, int64_t stride, uint8_t* to) {
    __m512i t[16];
    __m512i u[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) t[i] = _mm512_loadu_si512(from + i * stride);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      u[i] = _mm512_unpacklo_epi32(t[i], t[i + 1]);
      u[i + 1] = _mm512_unpackhi_epi32(t[i], t[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      // Columns 0 to 3 of each quarter, of rows i to i + 3.
      t[i] = _mm512_unpacklo_epi64(u[i], u[i + 2]);
      t[i + 1] = _mm512_unpackhi_epi64(u[i], u[i + 2]);
      t[i + 2] = _mm512_unpacklo_epi64(u[i + 1], u[i + 3]);
      t[i + 3] = _mm512_unpackhi_epi64(u[i + 1], u[i + 3]);
    }
#pragma GCC unroll 4
    for (int column = 0; column < 4; ++column) {
      const __m512i a = _mm512_shuffle_i32x4(t[column], t[4 + column], 0x88);
      const __m512i b = _mm512_shuffle_i32x4(t[8 + column], t[12 + column], 0x88);
      const __m512i c = _mm512_shuffle_i32x4(t[column], t[4 + column], 0xDD);
      const __m512i d = _mm512_shuffle_i32x4(t[8 + column], t[12 + column], 0xDD);
      _mm512_storeu_si512(to + 64 * column, _mm512_shuffle_i32x4(a, b, 0x88));
      _mm512_storeu_si512(to + 64 * (8 + column), _mm512_shuffle_i32x4(a, b, 0xDD));
      _mm512_storeu_si512(to + 64 * (4 + column), _mm512_shuffle_i32x4(c, d, 0x88));
      _mm512_storeu_si512(to + 64 * (12 + column), _mm512_shuffle_i32x4(c, d, 0xDD));
    }
  }

 private:
  // acc + the products of 4 neighbouring codes (below kCodes) and values per lane.
  template <int kCodes>
  static __m512i Dot(__m512i acc, __m512i codes, __m512i x) {
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

inline Ints operator+(Ints a, Ints b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline Ints operator*(Ints a, Ints b) { return {_mm512_mullo_epi32(a.v, b.v)}; }

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
