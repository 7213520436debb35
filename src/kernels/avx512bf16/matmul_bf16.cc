// AVX-512 BF16: a lane takes two neighbouring products at a time (VDPBF16PS), so a product of bf16
// needs half the steps of one in f32 and its weights are not widened. Compiled with flags of its
// own (isa.cmake).
#include <immintrin.h>

#include <cstdint>

#include "kernels/kernels.h"

namespace moiety {
namespace {

constexpr int64_t kStep = 32;  // values of a register
constexpr int kTileRows = 4;
constexpr int kTileOutputs = 4;

__m512bh Load(const uint16_t* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }
// The first n values; the others are 0.
__m512bh LoadPartial(const uint16_t* p, int64_t n) {
  return reinterpret_cast<__m512bh>(
      _mm512_maskz_loadu_epi16(static_cast<__mmask32>((uint64_t{1} << n) - 1), p));
}

// The sums of four registers' lanes.
inline __m128 SumsOfFour(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512 quarters = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
  const __m256 halves =
      _mm256_add_ps(_mm512_castps512_ps256(quarters), _mm512_extractf32x8_ps(quarters, 1));
  return _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1));
}

template <int R, int O>
inline void Tile(const Bf16MatmulArgs& a, int64_t row, int64_t output) {
  const uint16_t* x = a.x + row * a.x_stride;
  // All outputs of a tile are in one panel, or all behind the last one.
  const NumberRow at = NumberRowAt(a.layout, a.outputs, a.depth, output);
  const uint16_t* w = static_cast<const uint16_t*>(a.w) + at.begin;
  // The weights of the next tile, as they lie, come from memory meanwhile.
  const uint16_t* next = w + (at.in_panel ? kNumberPanelOutputs : O) * a.depth;
  const int64_t next_output = at.in_panel ? at.next_output : a.depth;
  __m512 acc[R][O];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < O; ++j) acc[i][j] = _mm512_setzero_ps();
  }
  // x is padded with zeros, the weights end where they end.
  const auto step = [&](int64_t k, int64_t from, const auto& load) __attribute__((always_inline)) {
    __m512bh xv[R];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) xv[i] = Load(x + i * a.x_stride + k);
#pragma GCC unroll 8
    for (int j = 0; j < O; ++j) {
      const __m512bh wv = load(w + j * at.next_output + from);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) acc[i][j] = _mm512_dpbf16_ps(acc[i][j], xv[i], wv);
    }
  };
  int64_t k = 0;
  int64_t from = 0;  // of k in a row of the weights
  static_assert(kStep == kNumberPanelDepth);
  for (; k + kStep <= a.depth; k += kStep, from += at.step) {
    if (row == 0) {
#pragma GCC unroll 8
      for (int j = 0; j < O; ++j) __builtin_prefetch(next + from + j * next_output, 0, 2);
    }
    step(
        k, from, [](const uint16_t* p) __attribute__((always_inline)) { return Load(p); });
  }
  if (k < a.depth) {
    step(
        k, from, [&](const uint16_t* p) __attribute__((always_inline)) {
          return LoadPartial(p, a.depth - k);
        });
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
    float* y = a.y + (row + i) * a.y_stride + output;
#pragma GCC unroll 8
    for (int j = 0; j < O; j += 4) {
      __m128 sums = SumsOfFour(acc[i][j], acc[i][O > 1 ? j + 1 : j], acc[i][O > 1 ? j + 2 : j],
                               acc[i][O > 1 ? j + 3 : j]);
      if constexpr (O == 1) {
        y[0] = _mm_cvtss_f32(sums) + (a.bias == nullptr ? 0.0F : a.bias[output]);
      } else {
        if (a.bias != nullptr) sums = _mm_add_ps(sums, _mm_loadu_ps(a.bias + output + j));
        _mm_storeu_ps(y + j, sums);
      }
    }
  }
}

template <int R, int O>
void Rows(const Bf16MatmulArgs& a, int64_t row) {
  int64_t output = 0;
  for (; output + O <= a.outputs; output += O) Tile<R, O>(a, row, output);
  for (; output < a.outputs; ++output) Tile<R, 1>(a, row, output);
}

// The first n pairs, or all of a register's.
__m512bh LoadPairs(const uint32_t* p, __mmask16 mask) {
  return reinterpret_cast<__m512bh>(_mm512_maskz_loadu_epi32(mask, p));
}

__mmask16 FirstOf16(int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xFFFF : (1U << (n < 0 ? 0 : n)) - 1);
}

// R rows and V registers of columns.
template <int R, int V>
inline void OuterTile(const Bf16OuterMatmulArgs& args, int64_t row, int64_t col) {
  const uint32_t* a = args.a + row * args.a_stride;
  const uint32_t* b = args.b + col;
  float* y = args.y + row * args.y_stride + col;
  const __mmask16 last = FirstOf16(args.cols - col - (V - 1) * 16);
  __m512 acc[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      acc[i][v] = _mm512_maskz_loadu_ps(v + 1 < V ? 0xFFFF : last, y + i * args.y_stride + v * 16);
    }
  }
  for (int64_t p = 0; p < args.num_pairs; ++p, a += args.a_step, b += args.cols) {
    __m512bh bv[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) bv[v] = LoadPairs(b + v * 16, v + 1 < V ? 0xFFFF : last);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const auto av =
          reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(a[i * args.a_stride])));
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[i][v] = _mm512_dpbf16_ps(acc[i][v], av, bv[v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      _mm512_mask_storeu_ps(y + i * args.y_stride + v * 16, v + 1 < V ? 0xFFFF : last, acc[i][v]);
    }
  }
}

template <int V>
inline void OuterColumns(const Bf16OuterMatmulArgs& args, int64_t col) {
  constexpr int kRows = 6;
  int64_t row = 0;
  for (; row + kRows <= args.rows; row += kRows) OuterTile<kRows, V>(args, row, col);
  for (; row + 4 <= args.rows; row += 4) OuterTile<4, V>(args, row, col);
  for (; row + 2 <= args.rows; row += 2) OuterTile<2, V>(args, row, col);
  for (; row < args.rows; ++row) OuterTile<1, V>(args, row, col);
}

}  // namespace

void OuterMatmulAvx512Bf16(const Bf16OuterMatmulArgs& args) {
  constexpr int kVectors = 4;
  int64_t col = 0;
  for (; col + kVectors * 16 <= args.cols; col += kVectors * 16) OuterColumns<kVectors>(args, col);
  for (; col < args.cols; col += 16) OuterColumns<1>(args, col);
}

void PairAvx512Bf16(const float* first, const float* second, int64_t n, uint32_t* y) {
  for (int64_t k = 0; k < n; k += 16) {
    const __mmask16 mask = FirstOf16(n - k);
    const auto round = [&](const float* x) {
      return _mm512_cvtepu16_epi32(
          reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + k))));
    };
    const __m512i high = second == nullptr ? _mm512_setzero_si512() : round(second);
    _mm512_mask_storeu_epi32(y + k, mask,
                             _mm512_or_si512(round(first), _mm512_slli_epi32(high, 16)));
  }
}

void RoundAvx512Bf16(const float* x, int64_t n, uint16_t* y) {
  for (int64_t k = 0; k < n; k += 16) {
    const __mmask16 mask = FirstOf16(n - k);
    _mm256_mask_storeu_epi16(
        y + k, mask,
        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + k))));
  }
}

void PackAvx512Bf16(const float* x, int64_t x_stride, int64_t rows, int64_t depth,
                    uint16_t* packed) {
  const int64_t stride = PackedBf16Stride(depth);
  for (int64_t row = 0; row < rows; ++row, x += x_stride, packed += stride) {
    for (int64_t k = 0; k < stride; k += 16) {
      const int64_t left = depth - k;
      const auto mask =
          static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1U << (left < 0 ? 0 : left)) - 1);
      const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + k));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed + k),
                          reinterpret_cast<__m256i>(rounded));
    }
  }
}

void MultiplyAvx512Bf16(const Bf16MatmulArgs& a) {
  int64_t row = 0;
  for (; row + kTileRows <= a.rows; row += kTileRows) Rows<kTileRows, kTileOutputs>(a, row);
  for (; row + 2 <= a.rows; row += 2) Rows<2, 2 * kTileOutputs>(a, row);
  for (; row < a.rows; ++row) Rows<1, 2 * kTileOutputs>(a, row);
}

}  // namespace moiety
