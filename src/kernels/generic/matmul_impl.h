// Matrix products, written once over the registers of an instruction set; see kernels_impl.h. Two
// ways with the same bits: operands read as they lie (bound by memory where rows are few), or
// copied into blocks for the caches first (Goto, van de Geijn 2008), which pays where a Vec is
// several registers: these then take turns, so a tile of more rows and outputs fits the register
// file.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from kernels_impl.h only"
#endif

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

// Two vectors that stand one behind the other. An instruction set may have an overload for a type.
template <class W>
inline void LoadTwo(const W* p, Vec* v) {
  v[0] = Vec::Load(p);
  v[1] = Vec::Load(p + kLanes);
}

// R rows of x times O rows of w at once: each loaded vector is used R or O times.
template <int R, int O, class W>
inline void StreamTile(const MatmulArgs& a, int64_t row, int64_t output) {
  const float* x[R];
  const W* w[O];
  Vec acc[R][O];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) x[i] = a.x + (row + i) * a.x_stride;
  // All outputs of a tile are in one panel, or all behind the last one.
  const NumberRow at = NumberRowAt(a.layout, a.outputs, a.depth, output);
#pragma GCC unroll 8
  for (int j = 0; j < O; ++j) w[j] = static_cast<const W*>(a.w) + at.begin + j * at.next_output;
  // The weights of the next tile come from memory into the second level meanwhile, in the order in
  // which they lie there.
  const W* next = w[0] + (at.in_panel ? kNumberPanelOutputs : O) * a.depth;
  const int64_t next_step = at.in_panel ? at.step : 2 * O * kLanes;
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < O; ++j) acc[i][j] = Vec::Zero();
  }
  int64_t k = 0;
  int64_t from = 0;  // of k in a row of the weights
  for (; k + 2 * kLanes <= a.depth; k += 2 * kLanes, from += at.step) {
    if (row == 0) {
      constexpr int64_t kLine = 64 / sizeof(W);
#pragma GCC unroll 32
      for (int64_t ahead = 0; ahead < 2 * O * kLanes; ahead += kLine) {
        __builtin_prefetch(next + ahead, 0, 2);
      }
      next += next_step;
    }
    Vec xv[2][R];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      xv[0][i] = Vec::Load(x[i] + k);
      xv[1][i] = Vec::Load(x[i] + k + kLanes);
    }
#pragma GCC unroll 8
    for (int j = 0; j < O; ++j) {
      Vec wv[2];
      LoadTwo(w[j] + from, wv);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) acc[i][j] = Fma(xv[0][i], wv[0], acc[i][j]);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) acc[i][j] = Fma(xv[1][i], wv[1], acc[i][j]);
    }
  }
  if (k + kLanes <= a.depth) {
#pragma GCC unroll 8
    for (int j = 0; j < O; ++j) {
      const Vec wv = Vec::Load(w[j] + k);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) acc[i][j] = Fma(Vec::Load(x[i] + k), wv, acc[i][j]);
    }
    k += kLanes;
  }
  if (k < a.depth) {
    const int64_t rest = a.depth - k;
#pragma GCC unroll 8
    for (int j = 0; j < O; ++j) {
      const Vec wv = Vec::LoadPartial(w[j] + k, rest);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) acc[i][j] = Fma(Vec::LoadPartial(x[i] + k, rest), wv, acc[i][j]);
    }
  }
  alignas(64) float lanes[R * O * kLanes];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < O; ++j) acc[i][j].Store(lanes + (i * O + j) * kLanes);
  }
  float sums[R * O];
  SumTrees<R * O>(lanes, sums);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
    float* y = a.y + (row + i) * a.y_stride + output;
#pragma GCC unroll 8
    for (int j = 0; j < O; ++j) {
      const float sum = sums[i * O + j];
      y[j] = a.bias == nullptr ? sum : sum + a.bias[output + j];
    }
  }
}

template <int R, int O, class W>
inline void StreamRows(const MatmulArgs& a, int64_t row) {
  int64_t output = 0;
  for (; output + O <= a.outputs; output += O) StreamTile<R, O, W>(a, row, output);
  for (; output < a.outputs; ++output) StreamTile<R, 1, W>(a, row, output);
}

// A block of a product. Its operands are copied so that a tile reads them one after the other; the
// accumulators wait in memory while the reduced dimension is worked off piece by piece.
constexpr int64_t kBlockDepth = 512;
constexpr int64_t kBlockRows = 96;
constexpr int64_t kBlockOutputs = 32;
constexpr int kTileRows = Part::kTileRows;
constexpr int kTileOutputs = Part::kTileOutputs;
constexpr int64_t kTileSums = kTileRows * kTileOutputs * kLanes;

struct MatmulBlock {
  // Panels of kTileRows rows or kTileOutputs outputs: [panel][kParts][depth / 16][kTile…][register]
  alignas(64) float x[kTileRows * kBlockDepth];
  alignas(64) float w[(kBlockOutputs + kTileOutputs - 1) * kBlockDepth];
  // [row panel][output panel][row][output][16]
  alignas(
      64) float sums[(kBlockRows + kTileRows - 1) * (kBlockOutputs + kTileOutputs - 1) * kLanes];
};

// Copies `count` rows into panels of T, widened; the rest of the last panel and of the last 16
// values is 0. row_of(i) says where row i begins and how far its next 32 values are.
struct PackedRow {
  int64_t begin;
  int64_t step;
};
template <int T, class From, class RowOf, class V = Vec>
void Pack(const From* from, const RowOf& row_of, int64_t count, int64_t depth, float* panel) {
  constexpr int64_t L = Part::kLanes;
  const int64_t steps = (depth + kLanes - 1) / kLanes;
  for (int64_t first = 0; first < count; first += T, panel += steps * T * kLanes) {
    for (int64_t j = 0; j < T; ++j) {
      const PackedRow at = row_of(first + j);
      const From* row = from + at.begin;
      float* out = panel + j * L;
      for (int64_t step = 0; step < steps; ++step, out += T * L) {
        const From* values = row + step / 2 * at.step + step % 2 * kLanes;
        __builtin_prefetch(values + kBlockDepth / (2 * kLanes) * at.step, 0, 2);
        const V v = first + j < count ? LoadUpTo(values, depth - step * kLanes) : V::Zero();
        v.StoreParts(out, steps * T * L);
      }
    }
  }
}

// Adds the products of R rows of a panel and of a panel of outputs to their sums.
template <int R>
inline void BlockTile(const float* x, const float* w, int64_t steps, bool first, float* sums) {
  constexpr int O = kTileOutputs;
  constexpr int64_t L = Part::kLanes;
  for (int part = 0; part < kParts; ++part) {
    float* part_sums = sums + part * L;
    Part acc[R][O];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < O; ++j) {
        acc[i][j] = first ? Part::Zero() : Part::Load(part_sums + (i * O + j) * kLanes);
      }
    }
    for (int64_t step = 0; step < steps; ++step) {
      Part wv[O];
#pragma GCC unroll 8
      for (int j = 0; j < O; ++j) wv[j] = Part::Load(w + j * L);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) {
        const Part xv = Part::Load(x + i * L);
#pragma GCC unroll 8
        for (int j = 0; j < O; ++j) acc[i][j] = Fma(xv, wv[j], acc[i][j]);
      }
      x += kTileRows * L;
      w += O * L;
    }
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < O; ++j) acc[i][j].Store(part_sums + (i * O + j) * kLanes);
    }
  }
}

// As many of the panel's rows as there are.
template <int R>
inline void BlockTileOf(int64_t rows, const float* x, const float* w, int64_t steps, bool first,
                        float* sums) {
  if constexpr (R > 1) {
    if (rows < R) return BlockTileOf<R - 1>(rows, x, w, steps, first, sums);
  }
  BlockTile<R>(x, w, steps, first, sums);
}

template <class W>
void MatmulBlocks(const MatmulArgs& a, int64_t first_row, int64_t rows, int64_t first_output,
                  int64_t outputs, MatmulBlock& block) {
  const int64_t output_panels = (outputs + kTileOutputs - 1) / kTileOutputs;
  for (int64_t k = 0; k < a.depth; k += kBlockDepth) {
    const int64_t depth = a.depth - k < kBlockDepth ? a.depth - k : kBlockDepth;
    const int64_t steps = (depth + kLanes - 1) / kLanes;
    const auto weights_of = [&](int64_t output) {
      const NumberRow at = NumberRowAt(a.layout, a.outputs, a.depth, first_output + output);
      return PackedRow{at.begin + k / kNumberPanelDepth * at.step, at.step};
    };
    Pack<kTileOutputs>(static_cast<const W*>(a.w), weights_of, outputs, depth, block.w);
    float* sums = block.sums;
    for (int64_t row = 0; row < rows; row += kTileRows) {
      const int64_t panel_rows = rows - row < kTileRows ? rows - row : kTileRows;
      const auto row_of = [&](int64_t i) { return PackedRow{i * a.x_stride, 2 * kLanes}; };
      Pack<kTileRows>(a.x + (first_row + row) * a.x_stride + k, row_of, panel_rows, depth, block.x);
      const float* w = block.w;
      for (int64_t panel = 0; panel < output_panels; ++panel) {
        BlockTileOf<kTileRows>(panel_rows, block.x, w, steps, k == 0, sums);
        w += steps * kTileOutputs * kLanes;
        sums += kTileSums;
      }
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    float* y = a.y + (first_row + i) * a.y_stride + first_output;
    const float* sums = block.sums + (i / kTileRows * output_panels * kTileRows + i % kTileRows) *
                                         kTileOutputs * kLanes;
    for (int64_t j = 0; j < outputs; ++j) {
      const float sum =
          SumTree(Vec::Load(sums + j / kTileOutputs * kTileSums + j % kTileOutputs * kLanes));
      y[j] = a.bias == nullptr ? sum : sum + a.bias[first_output + j];
    }
  }
}

template <class W>
void MatmulInBlocks(const MatmulArgs& a) {
  MatmulBlock block;
  for (int64_t row = 0; row < a.rows; row += kBlockRows) {
    const int64_t rows = a.rows - row < kBlockRows ? a.rows - row : kBlockRows;
    for (int64_t output = 0; output < a.outputs; output += kBlockOutputs) {
      const int64_t outputs =
          a.outputs - output < kBlockOutputs ? a.outputs - output : kBlockOutputs;
      MatmulBlocks<W>(a, row, rows, output, outputs, block);
    }
  }
}

template <class W>
void Matmul(const MatmulArgs& a) {
  CountCall();
  constexpr int64_t kFewRows = 16;
  constexpr int64_t kMinBlockRows = 32;  // fewer do not pay for the copies
  // Where a Vec is one register, only rows that are too long for the first-level cache do.
  constexpr int64_t kMinBlockDepth = kParts > 1 ? 1 : 1024;
  if (a.rows >= kMinBlockRows && a.depth >= kMinBlockDepth) return MatmulInBlocks<W>(a);
  int64_t row = 0;
  // A panel's outputs together are read from memory one after the other, which counts while rows
  // are few.
  if constexpr (Vec::kTileOutputs * 2 == kNumberPanelOutputs) {
    if (a.layout == BlockLayout::kPanels && a.rows <= kFewRows) {
      for (; row + 3 <= a.rows; row += 3) StreamRows<3, kNumberPanelOutputs, W>(a, row);
    }
  }
  for (; row + Vec::kTileRows <= a.rows; row += Vec::kTileRows) {
    StreamRows<Vec::kTileRows, Vec::kTileOutputs, W>(a, row);
  }
  // Fewer rows have their tile along the outputs.
  if constexpr (Vec::kTileRows > 2) {
    for (; row + 3 <= a.rows; row += 3) StreamRows<3, Vec::kTileOutputs, W>(a, row);
    for (; row + 2 <= a.rows; row += 2) StreamRows<2, Vec::kTileOutputs * 2, W>(a, row);
  }
  for (; row < a.rows; ++row) StreamRows<1, Vec::kTileOutputs * 2, W>(a, row);
}
}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
