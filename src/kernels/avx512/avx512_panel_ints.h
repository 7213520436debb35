// PanelInts of AVX-512, with VNNI where the file that includes this is compiled for it; see
// generic/block_matmul_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include <immintrin.h>

#include <cstdint>

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct PanelInts {
  __m512i v;

  static constexpr int64_t kLanes = 16;
  static constexpr int kBlockRows = 8;
  static constexpr int64_t kMinPanelRows = 5;
  static constexpr bool kSigned = false;

  static PanelInts Zero() { return {_mm512_setzero_si512()}; }
  static PanelInts Set(int32_t x) { return {_mm512_set1_epi32(x)}; }
  static PanelInts Load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }

  template <class F, int K, int R>
  static void DotPart(const uint8_t* w, const int8_t* const* x, int at, PanelInts* out) {
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

  static PanelInts Pairs(PanelInts out, const int16_t* pairs, const int16_t* two) {
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

  static void MulAdd(PanelInts sums, const float* scales, float factor, float* acc) {
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

inline PanelInts operator+(PanelInts a, PanelInts b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline PanelInts operator*(PanelInts a, PanelInts b) { return {_mm512_mullo_epi32(a.v, b.v)}; }

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
