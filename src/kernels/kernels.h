// KernelTable: the inner loops, one table of functions per instruction set.
//
// The *arithmetic contract*: each function defines the order of the floating-point operations of
// one output element, and every table follows it, so all tables give the same bits. ref/ is the
// contract in plain loops. "Lane sum" below means: the reduced dimension is padded with zeros to a
// multiple of 16; element k is added to accumulator k mod 16 in ascending order (by fma for
// products, accumulators start at +0); then the 16 accumulators are added as a tree: i and i + 8, i
// and i + 4, i and i + 2, i and i + 1.
//
// All pointers may be unaligned. No function allocates or fails. Outputs must not overlap inputs
// unless a comment says so.
#ifndef MOIETY_KERNELS_KERNELS_H_
#define MOIETY_KERNELS_KERNELS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "quant/block_format.h"
#include "quant/number_panels.h"
#include "quant/panels.h"
#include "tensor/dtype.h"

namespace moiety {

// Weight types that a product reads directly. f16 and bf16 are widened exactly.
enum class WeightType : uint8_t { kF32, kF16, kBF16 };
inline constexpr int kNumWeightTypes = 3;

// Operands of a product with transposed weights, as networks store them ("NT").
template <class X>
struct MatmulArgsOf {
  const X* x;         // [rows, depth]
  int64_t x_stride;   // elements from one row to the next
  const void* w;      // [outputs, depth] in `layout`, of the function's weight type; of panels some
                      // may be left out, but only whole ones
  const float* bias;  // [outputs] or null
  float* y;           // [rows, outputs]
  int64_t y_stride;
  int64_t rows;
  int64_t outputs;
  int64_t depth;
  BlockLayout layout = BlockLayout::kRows;
};
using MatmulArgs = MatmulArgsOf<float>;
using Bf16MatmulArgs = MatmulArgsOf<uint16_t>;

// What matmul_bf16 takes in place of rows: a group of this many rows at a time, each padded to
// whole tiles, in an order of the table's own.
inline constexpr int64_t kBf16PackRows = 16;
inline constexpr int64_t PackedBf16Stride(int64_t depth) { return (depth + 31) / 32 * 32; }

// Activations as products with block formats take them: int8, each `block_values` of a row (as many
// as a block of the weights has, which divide the depth) with a scale.
struct QuantizedRows {
  const int8_t* values;  // [rows, depth], in [-127, 127]
  const float* scales;   // [rows, depth / block_values]
  // [rows, depth / block_values, BlockSums(block_values)]: of the values of each part of 16, then,
  // if a block has 256, of each 32.
  const int16_t* sums;
};
[[gnu::always_inline]] inline constexpr int64_t BlockSums(int64_t block_values) {
  const int64_t parts = block_values / kPartValues;
  return block_values == kMaxBlockValues ? parts + parts / 2 : parts;
}
struct QuantizeArgs {
  const float* x;  // [rows, depth]
  int64_t x_stride;
  int64_t rows;
  int64_t depth;
  int64_t block_values;  // 32 or 256
  int8_t* values;        // as in QuantizedRows
  float* scales;
  int16_t* sums;
};
// A block whose largest value is below this is zeros.
inline constexpr float kLeastQuantized = 0x1p-100F;

// Operands of a product with weights in blocks.
struct BlockMatmulArgs {
  DType format;
  BlockLayout layout;
  QuantizedRows x;
  const std::byte* w;  // [outputs, depth / values of a block] blocks in `layout`, of any alignment;
                       // of panels some may be left out, but only whole ones
  const float* bias;   // [outputs] or null
  float* y;            // [rows, outputs]
  int64_t y_stride;
  int64_t rows;
  int64_t outputs;
  int64_t depth;
};

// Operands of a product whose reduced dimension is the rows of its second factor: gradients of
// inputs ("NN": a is [rows, depth] with a_step 1) and of weights ("TN": a is [depth, rows] with
// a_stride 1).
struct OuterMatmulArgs {
  const float* a;  // element (i, p) at a[i · a_stride + p · a_step]
  int64_t a_stride;
  int64_t a_step;
  const void* b;  // [depth, cols], contiguous rows of the function's weight type
  float* y;       // [rows, cols]
  int64_t y_stride;
  int64_t rows;
  int64_t cols;
  int64_t depth;
};

// As OuterMatmulArgs in bf16: two neighbouring steps of the reduced dimension are the halves of a
// 32-bit word, the first one the lower.
struct Bf16OuterMatmulArgs {
  const uint32_t* a;  // pair p of row i at a[i · a_stride + p · a_step]
  int64_t a_stride;
  int64_t a_step;
  const uint32_t* b;  // [num_pairs, cols]
  float* y;           // [rows, cols]
  int64_t y_stride;
  int64_t rows;
  int64_t cols;
  int64_t num_pairs;
};

// The keys and values of one KV page, as queries of one group of heads see them; see attend_tile.
inline constexpr int64_t kTileKeys = 64;
struct AttentionTile {
  const float* keys;    // [kTileKeys, head_dim]
  const float* values;  // [kTileKeys, head_dim]
  int64_t begin;        // the queries see keys [begin, end) of the tile; others are not read
  int64_t end;
  int64_t head_dim;
  float scale;
};
// A query and the softmax over the tiles it has seen: start with max = -inf, sum = 0, acc = 0.
struct AttentionState {
  const float* query;  // [head_dim]
  float* acc;          // [head_dim]
  float max;
  float sum;
};

struct KernelTable {
  const char* isa;  // "ref", "avx2", "avx512", "amx", "neon"

  // How often a function of this table ran a product or a tile of attention, in this process.
  // Counted by the functions themselves, so it proves which table computes.
  const int64_t* num_calls;

  // y[i, j] = lane sum over k of x[i, k] · w[j, k], plus bias[j] if there is one (one rounded add).
  // Indexed by WeightType.
  void (*matmul[kNumWeightTypes])(const MatmulArgs& args);

  // Blocks of x to int8: m = max |x|, scale = m / 127, values = x · (127 / m) rounded to the
  // nearest integer, ties to even. Where a value of the block is not finite, the scale is NaN.
  void (*quantize_rows)(const QuantizeArgs& args);

  // For each block in ascending order, with the block's integers as in quant/codes.h:
  //   y = fma(scale_w · scale_x, float(Σ parts · (codes - offset) · values), y)
  //   y = fma(min_scale_w · -scale_x, float(Σ mins · sums), y), for formats with minimums
  // from y = 0; then plus bias[j] if there is one. The sums are exact in int32. depth ≥ 1.
  void (*block_matmul)(const BlockMatmulArgs& args);

  // y[i, c] = fma(a(i, p), b[p, c], y[i, c]) for ascending p: adds to what is there. By WeightType.
  // For gradients; the forward pass has no use for it.
  void (*outer_matmul[kNumWeightTypes])(const OuterMatmulArgs& args);

  // As matmul, but of bf16 with bf16 in the processor's own arithmetic (subnormals as zeros, sums
  // of pairs of products): one row gives the bits of many, other tables give other bits. Takes its
  // x as pack_bf16 laid it out, from a row that is a multiple of kBf16PackRows on; x_stride is that
  // of PackedBf16Stride. Both null where the processor has no such instructions.
  void (*matmul_bf16)(const Bf16MatmulArgs& args);
  // Rounds rows of x [rows, depth] to bf16, ties to even, into
  // [rows up to a multiple of kBf16PackRows, PackedBf16Stride(depth)].
  void (*pack_bf16)(const float* x, int64_t x_stride, int64_t rows, int64_t depth,
                    uint16_t* packed);

  // As outer_matmul, but of bf16 with bf16 as in matmul_bf16: for ascending p, y[i, c] grows by the
  // two products of a(i, p) and b[p, c]. Null where matmul_bf16 is.
  void (*outer_matmul_bf16)(const Bf16OuterMatmulArgs& args);
  // Two rows x [n] to bf16, ties to even: y[k] = (first[k], second[k]) as in Bf16OuterMatmulArgs;
  // `second` null: zeros. Null where matmul_bf16 is.
  void (*pair_bf16)(const float* first, const float* second, int64_t n, uint32_t* y);
  // x [n] to bf16, ties to even. Null where matmul_bf16 is.
  void (*round_bf16)(const float* x, int64_t n, uint16_t* y);

  // y = x · (1 / √(mean of squares + eps)) · gain. Mean: lane sum of x·x, divided by n.
  // y may be x.
  void (*rms_norm)(const float* x, const float* gain, float eps, int64_t n, float* y);

  // y = silu(gate) · up, silu(g) = g / (1 + exp(-g)). y may be gate or up.
  void (*silu_mul)(const float* gate, const float* up, int64_t n, float* y);

  // y = gelu(gate) · up, gelu(g) = g / (1 + exp(-t)), t = g · fma(kCubic, g · g, kLinear) with
  // gelu_constants: the approximation with tanh. y may be gate or up.
  void (*gelu_tanh_mul)(const float* gate, const float* up, int64_t n, float* y);

  // The way back of those two: with y = a(gate) · up and s the logistic function of t (of gate for
  // silu), dup = dy · (gate · s) and dgate = (dy · up) · a'(gate), where
  //   silu'(g) = s · fma(g, 1 - s, 1),
  //   gelu'(g) = s · fma(g · (1 - s), fma(3 kCubic, g · g, kLinear), 1).
  // dgate and dup are written, not added to; dup may be dy.
  void (*silu_mul_backward)(const float* gate, const float* up, const float* dy, int64_t n,
                            float* dgate, float* dup);
  void (*gelu_tanh_mul_backward)(const float* gate, const float* up, const float* dy, int64_t n,
                                 float* dgate, float* dup);

  // y = x + y, elementwise.
  void (*add)(const float* x, int64_t n, float* y);

  // y = fma(a, x, y), elementwise.
  void (*axpy)(float a, const float* x, int64_t n, float* y);

  // Lane sum of exp(x - max).
  float (*sum_exp)(const float* x, int64_t n, float max);

  // x = exp(x - max x) / lane sum of those, in place. n ≥ 1.
  void (*softmax)(float* x, int64_t n);

  // Rotates pairs (x[i], x[i + half]), i < half, by angles given as cos and sin [half]:
  // x[i] = fma(x[i], cos, -(x[i + half]·sin)), x[i + half] = fma(x[i + half], cos, x[i]·sin).
  void (*rope)(float* x, const float* cos, const float* sin, int64_t half);

  // One tile of the online softmax (Milakov, Gimelshein 2018), for each query:
  //   s_j = (lane sum of query · key_j) · scale; m = max(state.max, max s_j); p_j = exp(s_j - m);
  //   c = exp(state.max - m); sum = fma(sum, c, lane sum of p_j with lane j mod 16);
  //   acc[d] = acc[d] · c, then fma(p_j, value_j[d], acc[d]) for ascending j.
  void (*attend_tile)(const AttentionTile& tile, AttentionState* queries, int64_t num_queries);

  // Joins what a query saw in later tiles, apart from the earlier ones, to what it saw in these:
  //   m = max(state.max, later.max); c = exp(state.max - m); l = exp(later.max - m);
  //   sum = fma(sum, c, later.sum · l); acc[d] = fma(acc[d], c, later.acc[d] · l).
  void (*attend_merge)(const AttentionState& later, int64_t head_dim, AttentionState& state);
};

inline int64_t NumCalls(const KernelTable& table) {
  return __atomic_load_n(table.num_calls, __ATOMIC_RELAXED);
}

// Tables that this processor can run, slowest first; the first is always "ref".
const std::vector<const KernelTable*>& AvailableKernels();

// The table of that name, or the fastest for an empty name. An unknown name or one that this
// processor cannot run is an error that lists what it can.
Result<const KernelTable*> SelectKernels(std::string_view isa);

}  // namespace moiety

#endif  // MOIETY_KERNELS_KERNELS_H_
