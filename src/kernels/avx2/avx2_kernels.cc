// AVX2 + FMA: 16 lanes as two registers of 8. Compiled with flags of its own (isa.cmake).
#include <immintrin.h>

#include <cstdint>

#define MOIETY_KERNEL_NAMESPACE avx2

namespace moiety::avx2 {
namespace {

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

// One register of a Vec.
struct Part {
  __m256 v;

  static constexpr int64_t kLanes = 8;
  static constexpr int kTileRows = 4;
  static constexpr int kTileOutputs = 3;
  static constexpr int kAttentionTile = 8;

  static Part Set(float x) { return {_mm256_set1_ps(x)}; }
  static Part Zero() { return {_mm256_setzero_ps()}; }
  static Part Load(const float* p) { return {_mm256_loadu_ps(p)}; }
  // The first n lanes; none or all where n is beyond them.
  static Part LoadPartial(const float* p, int64_t n) {
    return {_mm256_maskload_ps(p, FirstLanes(n))};
  }
  void Store(float* p) const { _mm256_storeu_ps(p, v); }
  void StorePartial(float* p, int64_t n) const { _mm256_maskstore_ps(p, FirstLanes(n), v); }

 private:
  static __m256i FirstLanes(int64_t n) {
    const int count = n < 0 ? 0 : n > 8 ? 8 : static_cast<int>(n);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};
inline Part operator*(Part a, Part b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Part Fma(Part a, Part b, Part c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }

struct Vec {
  __m256 low;
  __m256 high;

  static constexpr int kTileRows = 2;
  static constexpr int kTileOutputs = 2;

  static Vec Set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Vec Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Vec Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static Vec Load(const F16* p) { return {WidenF16(p), WidenF16(p + 8)}; }
  static Vec Load(const BF16* p) { return {WidenBF16(p), WidenBF16(p + 8)}; }
  template <class T>
  static Vec LoadPartial(const T* p, int64_t n) {
    T buffer[16] = {};
    for (int64_t i = 0; i < n; ++i) buffer[i] = p[i];
    return Load(buffer);
  }
  void Store(float* p) const {
    _mm256_storeu_ps(p, low);
    _mm256_storeu_ps(p + 8, high);
  }
  void StorePartial(float* p, int64_t n) const {
    float buffer[16];
    Store(buffer);
    for (int64_t i = 0; i < n; ++i) p[i] = buffer[i];
  }
  // Each register to its own place, `stride` floats apart.
  void StoreParts(float* p, int64_t stride) const {
    _mm256_storeu_ps(p, low);
    _mm256_storeu_ps(p + stride, high);
  }
  // Lanes outside [begin, end) become 0.
  Vec KeepLanes(int64_t begin, int64_t end) const {
    if (begin <= 0 && end >= 16) return *this;
    float buffer[16];
    Store(buffer);
    for (int64_t i = 0; i < 16; ++i) buffer[i] = i >= begin && i < end ? buffer[i] : 0.0F;
    return Load(buffer);
  }

 private:
  static __m256 WidenF16(const F16* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static __m256 WidenBF16(const BF16* p) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
};

inline Vec operator+(Vec a, Vec b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline Vec operator-(Vec a, Vec b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
inline Vec operator*(Vec a, Vec b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline Vec operator/(Vec a, Vec b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
inline Vec operator-(Vec a) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  return {_mm256_xor_ps(a.low, sign), _mm256_xor_ps(a.high, sign)};
}
inline Vec Fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

// a < b ? yes : no, per lane.
inline Vec SelectLess(Vec a, Vec b, Vec yes, Vec no) {
  return {_mm256_blendv_ps(no.low, yes.low, _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.high, yes.high, _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
}

// v · 2^n for integral n in [-126, 128], in two factors.
inline __m256 ScaleHalf(__m256 v, __m256 n) {
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i second =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
  return _mm256_mul_ps(_mm256_mul_ps(v, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}
inline Vec ScaleByPow2(Vec v, Vec n) {
  return {ScaleHalf(v.low, n.low), ScaleHalf(v.high, n.high)};
}

inline float SumTree(Vec v) {
  const __m256 eight = _mm256_add_ps(v.low, v.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

}  // namespace
}  // namespace moiety::avx2

#include "kernels/avx2/avx2_block_lanes.h"
#include "kernels/kernels.h"

// After what they are built from.
#include "kernels/generic/block_matmul_impl.h"
#include "kernels/generic/kernels_impl.h"

namespace moiety {
extern const KernelTable kAvx2Kernels;
namespace avx2 {
namespace {
constexpr KernelTable kTable = MOIETY_GENERIC_KERNEL_TABLE("avx2");
}  // namespace
}  // namespace avx2
const KernelTable kAvx2Kernels = avx2::kTable;
}  // namespace moiety
