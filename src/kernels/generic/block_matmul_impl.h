// Products of int8 activations with blocks of integers, written once over an instruction set's
// registers. Each defines, in MOIETY_KERNEL_NAMESPACE, the Isa of quant/codes.h and two types of
// int32 lanes. BlockSums, for blocks as they lie:
//
//   kLanes  Store(p)
//   Dot<F>(codes, x, sums), MinDot<F>(codes, sums): lanes whose sum is that of a block
//   SumLanes(lanes, sums): kLanes of those sums at once, as floats
//
// and PanelInts, for blocks of kLanes outputs side by side:
//
//   kLanes  Zero() Set(i) Load(p) + *
//   kBlockRows: rows of a tile, a power of two; kMinPanelRows: fewer do not pay for unpacking
//   kSigned: bytes of both factors have a sign, so codes with an offset of 128 come without it
//   DotPart<F, K, R>(w, x, at, out): out[r] += Σ over 4 · K values of each lane
//   Pairs(out, pairs, two): out + products with two int16, of pairs of int16 per lane
//   MulAdd(sums, scales, factor, acc): acc = fma(scales · factor, float(sums), acc)
//   Transpose(from, stride, to): kLanes × kLanes groups of 4 bytes
//
// Two ways: few rows read the blocks as they lie, bound by memory; for many rows, blocks are
// unpacked once, an output per lane, and stay in the cache while all rows use them.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include "quant/all_formats.h"

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

constexpr int64_t kSumLanes = BlockSums::kLanes;
constexpr int64_t kPanelLanes = PanelInts::kLanes;
// What is to be taken from each code.
template <class F>
constexpr int kOffsetOf = PanelInts::kSigned&& F::kOffset == 128 ? 0 : F::kOffset;
// acc[lane] = fma(scales[lane] · factor, the sum of the lane's lanes, acc[lane])
inline void AddBlocks(const int32_t* lanes, const float* scales, float factor, float* acc) {
  alignas(64) float sums[kSumLanes];
  BlockSums::SumLanes(lanes, sums);
  for (int64_t lane = 0; lane < kSumLanes; ++lane) {
    acc[lane] = __builtin_fmaf(scales[lane] * factor, sums[lane], acc[lane]);
  }
}

// Rows [row, row + R) with all outputs, of which kSumLanes go side by side.
template <class F, int R>
void StreamBlocks(const BlockMatmulArgs& a, int64_t row) {
  using Block = typename F::Block;
  const int64_t row_blocks = a.depth / F::kValues;
  const int64_t row_parts = a.depth / kPartValues;
  const auto* blocks = reinterpret_cast<const Block*>(a.w);
  // From a block to that of the outputs that are next, which comes from memory meanwhile.
  const int64_t ahead = kSumLanes * row_blocks;
  const int8_t* x[R];
  const int16_t* sums[R];
  const float* scales[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    x[r] = a.x.values + (row + r) * a.depth;
    sums[r] = a.x.sums + (row + r) * row_parts;
    scales[r] = a.x.scales + (row + r) * row_blocks;
  }
  for (int64_t output = 0; output < a.outputs; output += kSumLanes) {
    const int64_t count = a.outputs - output < kSumLanes ? a.outputs - output : kSumLanes;
    alignas(64) float acc[R][kSumLanes] = {};
    for (int64_t at = 0; at < row_blocks; ++at) {
      alignas(64) int32_t dots[R][kSumLanes * kSumLanes];
      alignas(64) int32_t min_dots[R][kSumLanes * kSumLanes];
      alignas(64) float block_scales[kSumLanes];
      alignas(64) float block_min_scales[kSumLanes];
      for (int64_t lane = 0; lane < kSumLanes; ++lane) {
        // What the lanes behind the last output compute is not used.
        const int64_t of = output + (lane < count ? lane : 0);
        const Block* block = blocks + of * row_blocks + at;
        for (size_t byte = 0; byte < sizeof(Block); byte += 64) {
          __builtin_prefetch(reinterpret_cast<const char*>(block + ahead) + byte, 0, 2);
        }
        Codes codes;
        F::template Unpack<Isa>(*block, codes);
        block_scales[lane] = codes.scale;
        if constexpr (F::kHasMins) block_min_scales[lane] = codes.min_scale;
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const int16_t* block_sums = sums[r] + at * (F::kValues / kPartValues);
          BlockSums::Dot<F>(codes, x[r] + at * F::kValues, block_sums)
              .Store(dots[r] + lane * kSumLanes);
          if constexpr (F::kHasMins) {
            BlockSums::MinDot<F>(codes, block_sums).Store(min_dots[r] + lane * kSumLanes);
          }
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        AddBlocks(dots[r], block_scales, scales[r][at], acc[r]);
        if constexpr (F::kHasMins) AddBlocks(min_dots[r], block_min_scales, -scales[r][at], acc[r]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      float* y = a.y + (row + r) * a.y_stride + output;
      for (int64_t lane = 0; lane < count; ++lane) {
        y[lane] = a.bias == nullptr ? acc[r][lane] : acc[r][lane] + a.bias[output + lane];
      }
    }
  }
}

// A block of each of kPanelLanes outputs: what stands together belongs to the lanes of a register.
struct BlockPanel {
  alignas(64) uint8_t codes[kMaxBlockValues * kPanelLanes];  // [values / 4][lane][4]
  alignas(64) int32_t parts[kMaxParts * kPanelLanes];        // [part][lane]
  alignas(64) int16_t mins[kMaxParts * kPanelLanes];         // [part / 2][lane][2]
  alignas(64) float scales[kPanelLanes];
  alignas(64) float min_scales[kPanelLanes];
};

// Block `at` of outputs [0, count); the other lanes are 0.
template <class F>
void PackPanel(const typename F::Block* blocks, int64_t row_blocks, int64_t at, int64_t count,
               BlockPanel& panel) {
  // As long as what Transpose() takes; no one reads what it makes of the rest.
  constexpr int64_t kStride = F::kValues < 4 * kPanelLanes ? 4 * kPanelLanes : F::kValues;
  alignas(64) uint8_t rows[kPanelLanes * kStride];
  for (int64_t lane = 0; lane < kPanelLanes; ++lane) {
    Codes codes;
    if (lane < count) {
      const auto* block = blocks + lane * row_blocks + at;
      for (size_t ahead = 0; ahead < sizeof(*block); ahead += 64) {
        __builtin_prefetch(reinterpret_cast<const char*>(block + 1) + ahead, 0, 2);
      }
      F::template Unpack<Isa>(*block, codes);
    } else {
      __builtin_memset(&codes, 0, sizeof(codes));
    }
    panel.scales[lane] = codes.scale;
    if constexpr (F::kHasMins) {
      panel.min_scales[lane] = codes.min_scale;
      for (int64_t part = 0; part < F::kValues / kPartValues; ++part) {
        panel.mins[(part / 2 * kPanelLanes + lane) * 2 + part % 2] = codes.mins[part];
      }
    }
    if constexpr (F::kValues == kMaxBlockValues) {
      for (int64_t part = 0; part < kMaxParts; ++part) {
        panel.parts[part * kPanelLanes + lane] = +codes.parts[part];
      }
    }
    constexpr uint8_t kFlip = kOffsetOf<F> == F::kOffset ? 0 : 0x80;
    for (int i = 0; i < F::kValues; ++i) rows[lane * kStride + i] = codes.codes[i] ^ kFlip;
  }
  for (int64_t k = 0; k < F::kValues; k += 4 * kPanelLanes) {
    PanelInts::Transpose(rows + k, kStride, panel.codes + k * kPanelLanes);
  }
}

// acc[r] (kPanelLanes outputs each) of R rows: adds block `at`.
template <class F, int R>
void PanelTile(const BlockMatmulArgs& a, const BlockPanel& panel, int64_t row, int64_t at,
               float* acc) {
  constexpr int kDotValues = F::kEqualParts * static_cast<int>(kPartValues);  // of one DotPart
  constexpr int kDots = F::kValues / kDotValues;
  constexpr int kOffset = kOffsetOf<F>;
  const int64_t row_blocks = a.depth / F::kValues;
  const int8_t* x[R];
  const int16_t* sums[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    x[r] = a.x.values + (row + r) * a.depth + at * F::kValues;
    sums[r] = a.x.sums + ((row + r) * row_blocks + at) * (F::kValues / kPartValues);
  }
  PanelInts total[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) total[r] = PanelInts::Zero();
  for (int part = 0; part < kDots; ++part) {
    PanelInts dot[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      int sum = 0;
      if constexpr (kOffset != 0) {
        for (int i = 0; i < F::kEqualParts; ++i) sum += sums[r][part * F::kEqualParts + i];
      }
      dot[r] = kOffset == 0 ? PanelInts::Zero() : PanelInts::Set(-kOffset * sum);
    }
    PanelInts::DotPart<F, kDotValues / 4, R>(panel.codes + part * kDotValues * kPanelLanes, x,
                                             part * kDotValues, dot);
    if constexpr (F::kValues == kMaxBlockValues) {
      const PanelInts factor = PanelInts::Load(panel.parts + part * F::kEqualParts * kPanelLanes);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) total[r] = total[r] + dot[r] * factor;
    } else {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) total[r] = dot[r];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const float scale = a.x.scales[(row + r) * row_blocks + at];
    PanelInts::MulAdd(total[r], panel.scales, scale, acc + r * kPanelLanes);
    if constexpr (F::kHasMins) {
      PanelInts min_dot = PanelInts::Zero();
      for (int pair = 0; pair < F::kValues / kPartValues / 2; ++pair) {
        min_dot =
            PanelInts::Pairs(min_dot, panel.mins + pair * 2 * kPanelLanes, sums[r] + 2 * pair);
      }
      PanelInts::MulAdd(min_dot, panel.min_scales, -scale, acc + r * kPanelLanes);
    }
  }
}

// A tile of R rows, or of the next power of two that there are; returns its rows.
template <class F, int R>
inline int64_t PanelTileOf(int64_t rows, const BlockMatmulArgs& a, const BlockPanel& panel,
                           int64_t row, int64_t at, float* acc) {
  if constexpr (R > 1) {
    if (rows < R) return PanelTileOf<F, R / 2>(rows, a, panel, row, at, acc);
  }
  PanelTile<F, R>(a, panel, row, at, acc);
  return R;
}

// All rows from `first` on, in chunks whose sums stay in the cache.
template <class F>
void PanelBlocks(const BlockMatmulArgs& a, int64_t first) {
  constexpr int64_t kChunk = 128;
  const int64_t row_blocks = a.depth / F::kValues;
  BlockPanel panel;
  alignas(64) float acc[kChunk * kPanelLanes];
  for (; first < a.rows; first += kChunk) {
    const int64_t rows = a.rows - first < kChunk ? a.rows - first : kChunk;
    for (int64_t output = 0; output < a.outputs; output += kPanelLanes) {
      const int64_t count = a.outputs - output < kPanelLanes ? a.outputs - output : kPanelLanes;
      const auto* blocks = reinterpret_cast<const typename F::Block*>(a.w) + output * row_blocks;
      for (int64_t i = 0; i < rows * kPanelLanes; ++i) acc[i] = 0;
      for (int64_t at = 0; at < row_blocks; ++at) {
        PackPanel<F>(blocks, row_blocks, at, count, panel);
        for (int64_t row = 0; row < rows;) {
          row += PanelTileOf<F, PanelInts::kBlockRows>(rows - row, a, panel, first + row, at,
                                                       acc + row * kPanelLanes);
        }
      }
      for (int64_t row = 0; row < rows; ++row) {
        float* y = a.y + (first + row) * a.y_stride + output;
        for (int64_t lane = 0; lane < count; ++lane) {
          const float sum = acc[row * kPanelLanes + lane];
          y[lane] = a.bias == nullptr ? sum : sum + a.bias[output + lane];
        }
      }
    }
  }
}

template <class F>
void MatmulOfBlocks(const BlockMatmulArgs& a) {
  if (a.rows >= PanelInts::kMinPanelRows) return PanelBlocks<F>(a, 0);
  int64_t row = 0;
  for (; row + 4 <= a.rows; row += 4) StreamBlocks<F, 4>(a, row);
  if (row + 2 <= a.rows) {
    StreamBlocks<F, 2>(a, row);
    row += 2;
  }
  if (row < a.rows) StreamBlocks<F, 1>(a, row);
}

inline void MultiplyBlocks(const BlockMatmulArgs& a) {
  VisitFormat(a.format, [&](auto format) { MatmulOfBlocks<decltype(format)>(a); });
}

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
