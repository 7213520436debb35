// Products of bf16 in tiles, written over the eight tile registers of AMX: a template, so that a
// test can run it on registers in plain memory where the processor has none.
//
// A tile register is 16 rows of 64 bytes. The weights are the left factor as they lie: 16 outputs
// of 32 values. The rows of x are the right factor, laid out by PackTiles: 16 pairs of values of 16
// rows. So nothing of the weights is moved, and one row is multiplied like 16.
#ifndef MOIETY_KERNELS_AMX_TILE_MATMUL_H_
#define MOIETY_KERNELS_AMX_TILE_MATMUL_H_

#include <cstdint>

#include "kernels/kernels.h"

namespace moiety {
namespace {

constexpr int64_t kTile = 16;       // rows of a tile; outputs or rows of x
constexpr int64_t kTileDepth = 32;  // values of the reduced dimension
static_assert(kBf16PackRows == kTile && PackedBf16Stride(1) == kTileDepth);
static_assert(kTileDepth == kNumberPanelDepth);  // panels have whole pieces only

inline uint16_t RoundToBf16(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>(bits >> 16 | 0x40U);  // NaN
  return static_cast<uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

// KernelTable::pack_bf16: [group of 16 rows][32 values][pair][row][2].
inline void PackTiles(const float* x, int64_t x_stride, int64_t rows, int64_t depth,
                      uint16_t* packed) {
  for (int64_t group = 0; group < rows; group += kTile) {
    for (int64_t k = 0; k < depth; k += kTileDepth) {
      for (int64_t row = group; row < group + kTile; ++row) {
        const float* from = x + row * x_stride + k;
        uint16_t* to = packed + 2 * (row - group);
        for (int64_t i = 0; i < kTileDepth; ++i) {
          to[i / 2 * 2 * kTile + i % 2] =
              row < rows && k + i < depth ? RoundToBf16(from[i]) : uint16_t{0};
        }
      }
      packed += kTile * kTileDepth;
    }
  }
}

// 16 outputs of 32 values: in place, or copied where the matrix ends before the tile does, and from
// panels, which are narrower.
struct WeightTile {
  const uint16_t* data;
  int64_t stride;  // values
};
inline WeightTile WeightTileAt(const Bf16MatmulArgs& a, int64_t output, int64_t k,
                               uint16_t (&copy)[kTile * kTileDepth]) {
  const auto* const all = static_cast<const uint16_t*>(a.w);
  if (a.layout == BlockLayout::kPanels) {
    for (int64_t j = 0; j < kTile; ++j) {
      uint16_t* const to = copy + j * kTileDepth;
      if (output + j >= a.outputs) {
        __builtin_memset(to, 0, kTileDepth * sizeof(uint16_t));
        continue;
      }
      const NumberRow at = NumberRowAt(a.layout, a.outputs, a.depth, output + j);
      __builtin_memcpy(to, all + at.begin + k / kNumberPanelDepth * at.step,
                       kTileDepth * sizeof(uint16_t));
    }
    return {copy, kTileDepth};
  }
  const uint16_t* w = all + output * a.depth + k;
  if (output + kTile <= a.outputs && k + kTileDepth <= a.depth) return {w, a.depth};
  for (int64_t j = 0; j < kTile; ++j) {
    for (int64_t i = 0; i < kTileDepth; ++i) {
      copy[j * kTileDepth + i] =
          output + j < a.outputs && k + i < a.depth ? w[j * a.depth + i] : uint16_t{0};
    }
  }
  return {copy, kTileDepth};
}

// Writes sums [output][row] to y [row][output].
inline void WriteSums(const Bf16MatmulArgs& a, int64_t row, int64_t output, const float* sums) {
  for (int64_t i = 0; i < kTile && row + i < a.rows; ++i) {
    float* y = a.y + (row + i) * a.y_stride + output;
    for (int64_t j = 0; j < kTile && output + j < a.outputs; ++j) {
      const float sum = sums[j * kTile + i];
      y[j] = a.bias == nullptr ? sum : sum + a.bias[output + j];
    }
  }
}

// Up to 32 outputs by up to 32 rows: registers 0 to 3 are the sums, 4 and 5 the weights, 6 and 7 x.
template <class Tiles>
void TileBlock(const Bf16MatmulArgs& a, int64_t row, int64_t output) {
  const bool two_outputs = output + kTile < a.outputs;
  const bool two_rows = row + kTile < a.rows;
  Tiles::template Zero<0>();
  Tiles::template Zero<1>();
  Tiles::template Zero<2>();
  Tiles::template Zero<3>();
  alignas(64) uint16_t copy[kTile * kTileDepth];
  const uint16_t* x = a.x + row * a.x_stride;
  for (int64_t k = 0; k < a.depth; k += kTileDepth, x += kTile * kTileDepth) {
    const WeightTile first = WeightTileAt(a, output, k, copy);
    Tiles::template Load<4>(first.data, first.stride);
    Tiles::template Load<6>(x, kTileDepth);
    Tiles::template Multiply<0, 4, 6>();
    if (two_rows) {
      Tiles::template Load<7>(x + kTile * a.x_stride, kTileDepth);
      Tiles::template Multiply<1, 4, 7>();
    }
    if (two_outputs) {
      const WeightTile second = WeightTileAt(a, output + kTile, k, copy);
      Tiles::template Load<5>(second.data, second.stride);
      Tiles::template Multiply<2, 5, 6>();
      if (two_rows) Tiles::template Multiply<3, 5, 7>();
    }
  }
  alignas(64) float sums[kTile * kTile];
  Tiles::template Store<0>(sums);
  WriteSums(a, row, output, sums);
  if (two_rows) {
    Tiles::template Store<1>(sums);
    WriteSums(a, row + kTile, output, sums);
  }
  if (two_outputs) {
    Tiles::template Store<2>(sums);
    WriteSums(a, row, output + kTile, sums);
  }
  if (two_rows && two_outputs) {
    Tiles::template Store<3>(sums);
    WriteSums(a, row + kTile, output + kTile, sums);
  }
}

// KernelTable::matmul_bf16.
template <class Tiles>
void TileMatmul(const Bf16MatmulArgs& a) {
  Tiles::Configure();
  for (int64_t output = 0; output < a.outputs; output += 2 * kTile) {
    for (int64_t row = 0; row < a.rows; row += 2 * kTile) TileBlock<Tiles>(a, row, output);
  }
  Tiles::Release();
}

}  // namespace
}  // namespace moiety

#endif  // MOIETY_KERNELS_AMX_TILE_MATMUL_H_
