// Products of int8 activations with blocks of integers, written once over an instruction set's
// registers, whose 32-bit lanes are outputs. Each defines, in MOIETY_KERNEL_NAMESPACE, BlockLanes:
//
//   kLanes, and Words, Ints, Floats: vectors of them
//   Half(words) LookUp(table, words): as lanes have them, see quant/codes.h
//   Fma(a, b, c)
//   kTileRows: rows of a tile, a power of two
//   kSigned: bytes of both factors have a sign, so codes with an offset of 128 come without it
//   Dot<F, K, R>(codes, x, out): out[r] += Σ over the K words codes(k) and 4 · K values of x[r]
//   Pairs(out, pairs, two): out + products of pairs of int16 with two
//
// Two ways: few rows take the numbers from panels as they lie, bound by memory; for many rows they
// are taken once and stay in the cache while all rows use them.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include "quant/all_formats.h"
#include "quant/panels.h"

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

using Words = BlockLanes::Words;
using Ints = BlockLanes::Ints;
using Floats = BlockLanes::Floats;

constexpr int64_t kBlockLanes = BlockLanes::kLanes;
constexpr int64_t kPanelRegisters = kPanelOutputs / kBlockLanes;  // of a word of a panel
// Parts of a block that may differ from their neighbours.
template <class F>
constexpr int kNumParts = F::kValues / (F::kEqualParts * static_cast<int>(kPartValues));
// Pairs of parts, and the first of the sums of values that belong to the parts.
template <class F>
constexpr int kNumPairs = kNumParts<F> < 2 ? 1 : kNumParts<F> / 2;
template <class F>
constexpr int64_t kFirstSum = F::kValues == kMaxBlockValues&& F::kEqualParts == 2 ? kMaxParts : 0;
// What is to be taken from each code.
template <class F>
constexpr int kOffsetOf = BlockLanes::kSigned&& F::kOffset == 128 ? 0 : F::kOffset;
template <class F>
constexpr bool kHasParts = F::kValues == kMaxBlockValues;

// How far before they are used blocks are asked for.
constexpr int64_t kAheadBytes = 8192;

template <class T>
inline T LoadLanes(const void* p) {
  T v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
template <class T>
inline void StoreLanes(T v, void* p) {
  __builtin_memcpy(p, &v, sizeof(v));
}

// Blocks of neighbouring outputs in a panel, as lanes; see quant/codes.h.
template <class F>
struct PanelLanes {
  using Words = BlockLanes::Words;
  using Floats = BlockLanes::Floats;

  const std::byte* words;
  const std::byte* odd;

  Words At(int i) const { return LoadLanes<Words>(words + i * 4 * kPanelOutputs); }
  Words Odd() const {
    if constexpr (kOddBytes<F> == 1) {
      using Bytes [[gnu::vector_size(kBlockLanes)]] = uint8_t;
      return __builtin_convertvector(LoadLanes<Bytes>(odd), Words);
    } else {
      using Twos [[gnu::vector_size(2 * kBlockLanes)]] = uint16_t;
      return __builtin_convertvector(LoadLanes<Twos>(odd), Words);
    }
  }
  static Floats Half(Words bits) { return BlockLanes::Half(bits); }
  static Floats FromBits(Words bits) { return (Floats)bits; }
  static Words LookUp(const uint8_t* table, Words indices) {
    return BlockLanes::LookUp(table, indices);
  }
  static Ints Signed(Words words) { return (Ints)words; }
  static Words Below(Words words, uint32_t n) { return (Words)(words < n); }

  // Codes as the products take them.
  Words CodesOf(int group) const {
    const Words codes = F::Codes(*this, group);
    return kOffsetOf<F> == F::kOffset ? codes : codes ^ 0x80808080U;
  }
  // Factors and minimums of a pair of parts, as int16; the only part of 32 values is both.
  Words PartPair(int i) const {
    return PairOf(i, [&](int p) { return F::Part(*this, p); });
  }
  Words MinPair(int i) const {
    return PairOf(i, [&](int p) { return F::Min(*this, p); });
  }

 private:
  template <class Of>
  static Words PairOf(int i, const Of& of) {
    return (of(2 * i) & 0xFFFF) | of(kNumParts<F> < 2 ? 0 : 2 * i + 1) << 16;
  }
};

// The same numbers, taken from a panel once.
template <class F>
struct TakenLanes {
  alignas(64) Words codes[F::kValues / 4];
  Words part_pairs[kNumPairs<F>];
  Words min_pairs[kNumPairs<F>];
  Ints parts[kNumParts<F>];
  Floats scale;
  Floats min_scale;

  void Take(const PanelLanes<F>& lanes) {
    scale = F::Scale(lanes);
#pragma GCC unroll 64
    for (int group = 0; group < F::kValues / 4; ++group) codes[group] = lanes.CodesOf(group);
    if constexpr (kHasParts<F>) {
#pragma GCC unroll 16
      for (int p = 0; p < kNumParts<F>; ++p) parts[p] = (Ints)F::Part(lanes, p);
      if constexpr (kOffsetOf<F> != 0) {
#pragma GCC unroll 8
        for (int i = 0; i < kNumPairs<F>; ++i) part_pairs[i] = lanes.PartPair(i);
      }
    }
    if constexpr (F::kHasMins) {
      min_scale = F::MinScale(lanes);
#pragma GCC unroll 8
      for (int i = 0; i < kNumPairs<F>; ++i) min_pairs[i] = lanes.MinPair(i);
    }
  }

  Words CodesOf(int group) const { return codes[group]; }
  Words PartPair(int i) const { return part_pairs[i]; }
  Words MinPair(int i) const { return min_pairs[i]; }
  Ints PartOf(int p) const { return parts[p]; }
  void Prefetch(int /*piece*/, int /*pieces*/, int /*i*/, int /*steps*/) const {}
};

// acc[r] of R rows: adds block `at` of the lanes' outputs.
template <class F, int R, class Lanes>
inline void AddBlock(const BlockMatmulArgs& a, const Lanes& lanes, Floats scale, Floats min_scale,
                     int64_t row, int64_t at, Floats* acc) {
  constexpr int kGroups = F::kEqualParts * static_cast<int>(kPartValues) / 4;  // of a part
  // Of which the code for the parts is different: the rest is a loop.
  constexpr int kUnrolled = kNumParts<F> * kGroups < 32 ? kNumParts<F> : 32 / kGroups;
  constexpr int kOffset = kOffsetOf<F>;
  const int64_t row_blocks = a.depth / F::kValues;
  const int8_t* x[R];
  const int16_t* sums[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    x[r] = a.x.values + (row + r) * a.depth + at * F::kValues;
    sums[r] = a.x.sums + ((row + r) * row_blocks + at) * BlockSums(F::kValues) + kFirstSum<F>;
  }
  const auto pair_of = [&](int r, int i) {
    int32_t two;
    __builtin_memcpy(&two, sums[r] + 2 * i, sizeof(two));
    return two;
  };
  Ints total[R] = {};
  for (int first = 0; first < kNumParts<F>; first += kUnrolled) {
#pragma GCC unroll 16
    for (int i = 0; i < kUnrolled; ++i) {
      const int part = first + i;
      lanes.Prefetch(first / kUnrolled, kNumParts<F> / kUnrolled, i, kUnrolled);
      Ints dot[R] = {};
      BlockLanes::Dot<F, kGroups, R>([&](int k) { return lanes.CodesOf(part * kGroups + k); }, x,
                                     dot);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        x[r] += 4 * kGroups;
        if constexpr (kHasParts<F>) {
          total[r] += dot[r] * lanes.PartOf(part);
        } else {
          total[r] = dot[r];
        }
      }
    }
  }
  if constexpr (kOffset != 0 && kHasParts<F>) {
    Ints of_offset[R] = {};
#pragma GCC unroll 8
    for (int i = 0; i < kNumPairs<F>; ++i) {
      const Words pair = lanes.PartPair(i);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
        of_offset[r] = BlockLanes::Pairs(of_offset[r], pair, pair_of(r, i));
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) total[r] -= of_offset[r] * kOffset;
  } else if constexpr (kOffset != 0) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) total[r] -= kOffset * (sums[r][0] + sums[r][1]);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    acc[r] = BlockLanes::Fma(scale * a.x.scales[(row + r) * row_blocks + at],
                             __builtin_convertvector(total[r], Floats), acc[r]);
  }
  if constexpr (F::kHasMins) {
    Ints of_mins[R] = {};
#pragma GCC unroll 8
    for (int i = 0; i < kNumPairs<F>; ++i) {
      const Words pair = lanes.MinPair(i);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) of_mins[r] = BlockLanes::Pairs(of_mins[r], pair, pair_of(r, i));
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      acc[r] = BlockLanes::Fma(min_scale * -a.x.scales[(row + r) * row_blocks + at],
                               __builtin_convertvector(of_mins[r], Floats), acc[r]);
    }
  }
}

// Blocks of up to kPanelOutputs outputs as a panel has them, whichever way they lie.
template <class F>
class Panel {
 public:
  Panel(const BlockMatmulArgs& a, int64_t output)
      : row_blocks_(a.depth / F::kValues),
        bytes_(a.w + output * row_blocks_ * kBlockBytes),
        count_(a.outputs - output < kPanelOutputs ? a.outputs - output : kPanelOutputs),
        format_(a.layout == BlockLayout::kPanels && count_ == kPanelOutputs
                    ? nullptr
                    : BlockFormatOf(a.format)) {}

  int64_t count() const { return count_; }

  // Block `at`, until the next call.
  PanelLanes<F> At(int64_t at) {
    if (format_ == nullptr) {
      return {bytes_ + at * kWordBytes, bytes_ + row_blocks_ * kWordBytes + at * kOddBytesOfPanel};
    }
    for (int64_t i = 0; i < count_; ++i) {
      const std::byte* next = bytes_ + (i * row_blocks_ + at + 2) * kBlockBytes;
      for (int64_t byte = 0; byte < kBlockBytes; byte += 64) {
        __builtin_prefetch(next + byte, 0, 2);
      }
    }
    CopyToPanel(*format_, bytes_ + at * kBlockBytes, row_blocks_ * kBlockBytes, count_, 1, words_,
                odd_);
    return {words_, odd_};
  }

 private:
  static constexpr int64_t kBlockBytes = sizeof(typename F::Block);
  static constexpr int64_t kWordBytes = kBlockWords<F> * 4 * kPanelOutputs;
  static constexpr int64_t kOddBytesOfPanel = kOddBytes<F> * kPanelOutputs;

  int64_t row_blocks_;
  const std::byte* bytes_;
  int64_t count_;
  const BlockFormat* format_;  // of rows, which are copied; null: a panel
  alignas(64) std::byte words_[kWordBytes];
  alignas(64) std::byte odd_[kOddBytesOfPanel + 1];
};

template <class F>
inline PanelLanes<F> RegisterOfPanel(PanelLanes<F> lanes, int64_t i) {
  return {lanes.words + i * 4 * kBlockLanes, lanes.odd + i * kOddBytes<F> * kBlockLanes};
}

// `count` outputs of a panel.
inline void StoreOutputs(const BlockMatmulArgs& a, int64_t row, int64_t output, int64_t count,
                         const float* sums) {
  float* y = a.y + row * a.y_stride + output;
  for (int64_t i = 0; i < count; ++i) {
    y[i] = a.bias == nullptr ? sums[i] : sums[i] + a.bias[output + i];
  }
}

// Numbers that are taken from a panel where they are used.
template <class F>
struct StreamLanes : PanelLanes<F> {
  const std::byte* ahead;  // what comes from memory into the second level meanwhile
  int64_t number;          // of the register: each asks for its share
  // Of a block: step i of `steps` in one of `pieces`.
  void Prefetch(int piece, int pieces, int i, int steps) const {
    constexpr int kLines = kBlockWords<F> * 4 * static_cast<int>(kPanelOutputs) / 64;
    const int lines = (kLines + pieces - 1) / pieces;
#pragma GCC unroll 16
    for (int line = lines * i / steps; line < lines * (i + 1) / steps; ++line) {
      if (line % kPanelRegisters == number) {
        __builtin_prefetch(ahead + (piece * lines + line) * 64, 0, 2);
      }
    }
  }
  Ints PartOf(int p) const { return (Ints)F::Part(*this, p); }
};

// R rows from `row` on with the outputs of a panel; returns R.
template <class F, int R>
int64_t StreamPanel(const BlockMatmulArgs& a, Panel<F>& panel, int64_t output, int64_t row) {
  const int64_t row_blocks = a.depth / F::kValues;
  Floats acc[kPanelRegisters][R] = {};
  for (int64_t at = 0; at < row_blocks; ++at) {
    const PanelLanes<F> all = panel.At(at);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelRegisters; ++i) {
      const StreamLanes<F> lanes = {RegisterOfPanel<F>(all, i), all.words + kAheadBytes, i};
      Floats min_scale = {};
      if constexpr (F::kHasMins) min_scale = F::MinScale(lanes);
      AddBlock<F, R>(a, lanes, F::Scale(lanes), min_scale, row, at, acc[i]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    alignas(64) float sums[kPanelOutputs];
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelRegisters; ++i) {
      StoreLanes(acc[i][r], sums + i * kBlockLanes);
    }
    StoreOutputs(a, row + r, output, panel.count(), sums);
  }
  return R;
}

template <class F>
void StreamPanels(const BlockMatmulArgs& a) {
  for (int64_t output = 0; output < a.outputs; output += kPanelOutputs) {
    Panel<F> panel(a, output);
    for (int64_t row = 0; row < a.rows;) {
      switch (a.rows - row) {
        case 1:
          row += StreamPanel<F, 1>(a, panel, output, row);
          break;
        case 2:
          row += StreamPanel<F, 2>(a, panel, output, row);
          break;
        case 3:
          row += StreamPanel<F, 3>(a, panel, output, row);
          break;
        default:
          row += StreamPanel<F, 4>(a, panel, output, row);
      }
    }
  }
}

// A tile of R rows, or of the next power of two that there are; returns its rows.
template <class F, int R>
inline int64_t TileOfTaken(int64_t rows, const BlockMatmulArgs& a, const TakenLanes<F>& lanes,
                           int64_t row, int64_t at, Floats* acc) {
  if constexpr (R > 1) {
    if (rows < R) return TileOfTaken<F, R / 2>(rows, a, lanes, row, at, acc);
  }
  AddBlock<F, R>(a, lanes, lanes.scale, lanes.min_scale, row, at, acc);
  return R;
}

// All rows, in chunks whose sums stay in the cache.
template <class F>
void TakePanels(const BlockMatmulArgs& a) {
  constexpr int64_t kChunk = 128;
  const int64_t row_blocks = a.depth / F::kValues;
  TakenLanes<F> lanes;
  Floats acc[kPanelRegisters][kChunk];
  for (int64_t first = 0; first < a.rows; first += kChunk) {
    const int64_t rows = a.rows - first < kChunk ? a.rows - first : kChunk;
    for (int64_t output = 0; output < a.outputs; output += kPanelOutputs) {
      Panel<F> panel(a, output);
      for (auto& of_register : acc) {
        for (int64_t row = 0; row < rows; ++row) of_register[row] = Floats{};
      }
      for (int64_t at = 0; at < row_blocks; ++at) {
        const PanelLanes<F> all = panel.At(at);
        // What is next comes from memory meanwhile.
        for (int64_t line = 0; line < kBlockWords<F> * 4 * kPanelOutputs; line += 64) {
          __builtin_prefetch(all.words + kAheadBytes + line, 0, 2);
        }
        for (int64_t i = 0; i < kPanelRegisters; ++i) {
          lanes.Take(RegisterOfPanel<F>(all, i));
          for (int64_t row = 0; row < rows;) {
            row += TileOfTaken<F, BlockLanes::kTileRows>(rows - row, a, lanes, first + row, at,
                                                         acc[i] + row);
          }
        }
      }
      for (int64_t row = 0; row < rows; ++row) {
        alignas(64) float sums[kPanelOutputs];
        for (int64_t i = 0; i < kPanelRegisters; ++i) {
          StoreLanes(acc[i][row], sums + i * kBlockLanes);
        }
        StoreOutputs(a, first + row, output, panel.count(), sums);
      }
    }
  }
}

template <class F>
void MatmulOfBlocks(const BlockMatmulArgs& a) {
  // Fewer rows do not pay for it; small parts take longer to find.
  constexpr int64_t kMinTaken = F::kEqualParts == 1 ? 9 : 17;
  if (a.rows >= kMinTaken) {
    TakePanels<F>(a);
  } else {
    StreamPanels<F>(a);
  }
}

inline void MultiplyBlocks(const BlockMatmulArgs& a) {
  VisitFormat(a.format, [&](auto format) { MatmulOfBlocks<decltype(format)>(a); });
}

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
