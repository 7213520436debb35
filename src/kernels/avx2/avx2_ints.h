// Ints of AVX2; see generic/block_matmul_impl.h.
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
  __m256i v;

  static constexpr int64_t kLanes = 8;
  static constexpr int kBlockRows = 4;
  static constexpr int64_t kMinPanelRows = 5;
  static constexpr bool kSigned = true;

  static Ints Zero() { return {_mm256_setzero_si256()}; }
  static Ints Set(int32_t x) { return {_mm256_set1_epi32(x)}; }
  static Ints Load(const int32_t* p) { return {LoadBytes(p)}; }
  void Store(int32_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }

  template <class F>
  static Ints BlockDot(const Codes& codes, const int8_t* x, const int16_t* sums) {
    constexpr bool kFlip = F::kNumCodes > 128;  // to bytes with a sign, which need no offset
    constexpr int kOffset = kFlip ? 0 : F::kOffset;
    const auto pairs = [&](int at) {
      __m256i c = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes.codes + at));
      if constexpr (kFlip) c = _mm256_xor_si256(c, _mm256_set1_epi8(-128));
      return DotPairs<F>(c, LoadBytes(x + at));
    };
    if constexpr (F::kValues == 32) {
      const __m128i offset = _mm_cvtsi32_si128(-kOffset * (sums[0] + sums[1]));
      return {_mm256_add_epi32(_mm256_madd_epi16(pairs(0), _mm256_set1_epi16(1)),
                               _mm256_zextsi128_si256(offset))};
    } else {
      __m256i total = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        const __m256i factors = F::kEqualParts == 2
                                    ? _mm256_set1_epi16(codes.parts[2 * i])
                                    : _mm256_set_m128i(_mm_set1_epi16(codes.parts[2 * i + 1]),
                                                       _mm_set1_epi16(codes.parts[2 * i]));
        total = _mm256_add_epi32(total, _mm256_madd_epi16(pairs(32 * i), factors));
      }
      if constexpr (kOffset != 0) {
        const __m256i parts =
            _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(codes.parts)));
        const __m256i factors = _mm256_mullo_epi16(parts, _mm256_set1_epi16(-kOffset));
        total = _mm256_add_epi32(total, _mm256_madd_epi16(factors, LoadBytes(sums)));
      }
      return {total};
    }
  }

  template <class F>
  static Ints MinDot(const uint8_t* mins, const int16_t* sums) {
    if constexpr (F::kValues == 32) {
      const __m128i dot = _mm_cvtsi32_si128(mins[0] * sums[0] + mins[1] * sums[1]);
      return {_mm256_zextsi128_si256(dot)};
    } else {
      const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(mins));
      return {_mm256_madd_epi16(_mm256_cvtepu8_epi16(bytes), LoadBytes(sums))};
    }
  }

  static void SumLanes(const int32_t* lanes, float* sums) {
    const auto two = [&](int i) {
      return _mm256_hadd_epi32(LoadBytes(lanes + 8 * i), LoadBytes(lanes + 8 * i + 8));
    };
    const __m256i a = _mm256_hadd_epi32(two(0), two(2));
    const __m256i b = _mm256_hadd_epi32(two(4), two(6));
    const __m256i sum = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                         _mm256_permute2x128_si256(a, b, 0x31));
    _mm256_store_ps(sums, _mm256_cvtepi32_ps(sum));
  }

  template <class F, int K, int R>
  static void DotPart(const uint8_t* w, const int8_t* const* x, int at, Ints* out) {
    // Sums of two products that fit an int16 together.
    constexpr int kFit = F::kNumCodes > 128 ? 1 : 32767 / ((F::kNumCodes - 1) * 127 * 2);
    constexpr int kRun = kFit < K ? kFit : K;
    for (int first = 0; first < K; first += kRun) {
      __m256i pairs[R];
#pragma GCC unroll 8
      for (int i = 0; i < kRun; ++i) {
        const int k = first + i;
        const __m256i codes = LoadBytes(w + 32 * k);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          int32_t four;
          __builtin_memcpy(&four, x[r] + at + 4 * k, sizeof(four));
          const __m256i dot = DotPairs<F>(codes, _mm256_set1_epi32(four));
          pairs[r] = i == 0 ? dot : _mm256_add_epi16(pairs[r], dot);
        }
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        out[r].v = _mm256_add_epi32(out[r].v, _mm256_madd_epi16(pairs[r], _mm256_set1_epi16(1)));
      }
    }
  }

  static Ints Pairs(Ints out, const int16_t* pairs, const int16_t* two) {
    int32_t both;
    __builtin_memcpy(&both, two, sizeof(both));
    return {_mm256_add_epi32(out.v, _mm256_madd_epi16(LoadBytes(pairs), _mm256_set1_epi32(both)))};
  }

  static void MulAdd(Ints sums, const float* scales, float factor, float* acc) {
    const __m256 scale = _mm256_mul_ps(_mm256_load_ps(scales), _mm256_set1_ps(factor));
    _mm256_store_ps(acc, _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(sums.v), _mm256_load_ps(acc)));
  }

  // 8 rows, `stride` bytes apart, of 8 groups of 4 bytes: group k of row r to place 8 · k + r.
  static void Transpose(const uint8_t* from, int64_t stride, uint8_t* to) {
    const auto row = [&](int r) { return LoadBytes(from + r * stride); };
    __m256i t[8];
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {  // columns 0 to 3 of each half, of rows i to i + 3
      const __m256i a = _mm256_unpacklo_epi32(row(i), row(i + 1));
      const __m256i b = _mm256_unpackhi_epi32(row(i), row(i + 1));
      const __m256i c = _mm256_unpacklo_epi32(row(i + 2), row(i + 3));
      const __m256i d = _mm256_unpackhi_epi32(row(i + 2), row(i + 3));
      t[i] = _mm256_unpacklo_epi64(a, c);
      t[i + 1] = _mm256_unpackhi_epi64(a, c);
      t[i + 2] = _mm256_unpacklo_epi64(b, d);
      t[i + 3] = _mm256_unpackhi_epi64(b, d);
    }
#pragma GCC unroll 4
    for (int column = 0; column < 4; ++column) {
      const auto store = [&](int k, __m256i v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32 * k), v);
      };
      store(column, _mm256_permute2x128_si256(t[column], t[4 + column], 0x20));
      store(4 + column, _mm256_permute2x128_si256(t[column], t[4 + column], 0x31));
    }
  }

 private:
  static __m256i LoadBytes(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  // Sums of two neighbouring products. Codes above 128 have a sign here, which goes to the values:
  // the instruction wants one factor without.
  template <class F>
  static __m256i DotPairs(__m256i codes, __m256i x) {
    if constexpr (F::kNumCodes <= 128) return _mm256_maddubs_epi16(codes, x);
    return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes));
  }
};

inline Ints operator+(Ints a, Ints b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline Ints operator*(Ints a, Ints b) { return {_mm256_mullo_epi32(a.v, b.v)}; }

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
