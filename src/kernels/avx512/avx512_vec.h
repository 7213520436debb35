// Vec of AVX-512 (F, BW, VL, DQ), for the folders whose kernels are built on it; see
// generic/kernels_impl.h. 16 lanes are one register.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include <immintrin.h>

#include <cstdint>

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

inline __mmask16 FirstLanes(int64_t n) {
  return n >= 16  ? static_cast<__mmask16>(0xFFFF)
         : n <= 0 ? static_cast<__mmask16>(0)
                  : static_cast<__mmask16>((1U << n) - 1);
}

struct Vec {
  __m512 v;

  static constexpr int64_t kLanes = 16;
  static constexpr int kTileRows = 4;
  static constexpr int kTileOutputs = 4;
  static constexpr int kAttentionTile = 16;

  static Vec Set(float x) { return {_mm512_set1_ps(x)}; }
  static Vec Zero() { return {_mm512_setzero_ps()}; }
  static Vec Load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Vec Load(const F16* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Vec Load(const BF16* p) {
    return Widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Vec LoadPartial(const float* p, int64_t n) {
    return {_mm512_maskz_loadu_ps(FirstLanes(n), p)};
  }
  static Vec LoadPartial(const F16* p, int64_t n) {
    return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(FirstLanes(n), p))};
  }
  static Vec LoadPartial(const BF16* p, int64_t n) {
    return Widen(_mm256_maskz_loadu_epi16(FirstLanes(n), p));
  }
  void Store(float* p) const { _mm512_storeu_ps(p, v); }
  void StorePartial(float* p, int64_t n) const { _mm512_mask_storeu_ps(p, FirstLanes(n), v); }
  void StoreParts(float* p, int64_t /*stride*/) const { Store(p); }
  // Lanes outside [begin, end) become 0.
  Vec KeepLanes(int64_t begin, int64_t end) const {
    const auto mask = static_cast<__mmask16>(FirstLanes(end) & ~FirstLanes(begin));
    return {_mm512_maskz_mov_ps(mask, v)};
  }

  // The trees of 16 vectors that stand one behind the other: each step adds halves of two of them.
  static void SumSixteenTrees(const float* lanes, float* sums) {
    // Which vector's sum a step puts where: element 4 · i + j of the result is that of vector
    // 4 · j + i, so they are taken in that order.
    const auto load = [&](int i) { return _mm512_loadu_ps(lanes + 16 * (i / 4 + 4 * (i % 4))); };
    const auto halves = [](__m512 a, __m512 b) {  // lanes i and i + 8
      return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
    };
    const auto quarters = [](__m512 a, __m512 b) {  // i and i + 4
      return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
    };
    __m512 four[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      four[i] =
          quarters(halves(load(4 * i), load(4 * i + 1)), halves(load(4 * i + 2), load(4 * i + 3)));
    }
    const auto pairs = [](__m512 a, __m512 b) {  // i and i + 2
      return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xEE));
    };
    const __m512 a = pairs(four[0], four[1]);
    const __m512 b = pairs(four[2], four[3]);
    _mm512_storeu_ps(  // i and i + 1
        sums, _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xDD)));
  }

 private:
  static Vec Widen(__m256i bits) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
};

using Part = Vec;  // one register holds all lanes

// Widened with one shuffle for both.
inline void LoadTwo(const BF16* p, Vec* v) {
  const __m512i order = _mm512_set_epi16(  // elements i and 16 + i side by side
      31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19,
      3, 18, 2, 17, 1, 16, 0);
  const __m512i pairs = _mm512_permutexvar_epi16(order, _mm512_loadu_si512(p));
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000));
  v[0] = {_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16))};
  v[1] = {_mm512_castsi512_ps(_mm512_and_si512(pairs, high))};
}

inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec operator-(Vec a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0F))}; }
inline Vec Fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }

// a < b ? yes : no, per lane.
inline Vec SelectLess(Vec a, Vec b, Vec yes, Vec no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}

// v · 2^n for integral n in [-126, 128], in two factors.
inline Vec ScaleByPow2(Vec v, Vec n) {
  const __m512i whole = _mm512_cvtps_epi32(n.v);
  const __m512i half = _mm512_srai_epi32(whole, 1);
  const __m512i bias = _mm512_set1_epi32(127);
  const __m512i first = _mm512_slli_epi32(_mm512_add_epi32(half, bias), 23);
  const __m512i second =
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_sub_epi32(whole, half), bias), 23);
  return {
      _mm512_mul_ps(_mm512_mul_ps(v.v, _mm512_castsi512_ps(first)), _mm512_castsi512_ps(second))};
}

inline float SumTree(Vec v) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v.v), _mm512_extractf32x8_ps(v.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
