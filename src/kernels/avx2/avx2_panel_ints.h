// PanelInts of AVX2; see generic/block_matmul_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include <immintrin.h>

#include <cstdint>

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct PanelInts {
  __m256i v;

  static constexpr int64_t kLanes = 8;
  static constexpr int kBlockRows = 4;
  static constexpr int64_t kMinPanelRows = 5;
  static constexpr bool kSigned = true;

  static PanelInts Zero() { return {_mm256_setzero_si256()}; }
  static PanelInts Set(int32_t x) { return {_mm256_set1_epi32(x)}; }
  static PanelInts Load(const int32_t* p) { return {LoadBytes(p)}; }

  template <class F, int K, int R>
  static void DotPart(const uint8_t* w, const int8_t* const* x, int at, PanelInts* out) {
    // Sums of two products that fit an int16 together.
    constexpr int kFit = F::kNumCodes > 128 ? 1 : 32767 / ((F::kNumCodes - 1) * 127 * 2);
    constexpr int kRun = kFit < K ? kFit : K;
    static_assert(K % kRun == 0);
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

  static PanelInts Pairs(PanelInts out, const int16_t* pairs, const int16_t* two) {
    int32_t both;
    __builtin_memcpy(&both, two, sizeof(both));
    return {_mm256_add_epi32(out.v, _mm256_madd_epi16(LoadBytes(pairs), _mm256_set1_epi32(both)))};
  }

  static void MulAdd(PanelInts sums, const float* scales, float factor, float* acc) {
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
      const auto store = [&](int k, __m256i eight) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32 * k), eight);
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

inline PanelInts operator+(PanelInts a, PanelInts b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline PanelInts operator*(PanelInts a, PanelInts b) { return {_mm256_mullo_epi32(a.v, b.v)}; }

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
