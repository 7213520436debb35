// The arithmetic contract in plain loops: what every other table must equal, bit for bit.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/exact_math.h"
#include "kernels/kernels.h"
#include "quant/all_formats.h"
#include "quant/formats.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

int64_t num_calls = 0;
void CountCall() { __atomic_fetch_add(&num_calls, 1, __ATOMIC_RELAXED); }

constexpr int64_t kLanes = 16;
using Lanes = std::array<float, kLanes>;

float SumTree(Lanes lanes) {
  for (size_t width = kLanes / 2; width > 0; width /= 2) {
    for (size_t i = 0; i < width; ++i) lanes[i] = lanes[i] + lanes[i + width];
  }
  return lanes[0];
}

// Lane sum of a(k) · b(k) over k < n.
template <class A, class B>
float LaneDot(int64_t n, const A& a, const B& b) {
  Lanes lanes{};
  for (int64_t start = 0; start < n; start += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const int64_t k = start + lane;
      const float x = k < n ? a(k) : 0.0F;
      const float y = k < n ? b(k) : 0.0F;
      lanes[static_cast<size_t>(lane)] = std::fma(x, y, lanes[static_cast<size_t>(lane)]);
    }
  }
  return SumTree(lanes);
}

float Max(float a, float b) { return a > b ? a : b; }

float Widen(float value) { return value; }
struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};
float Widen(F16 value) { return F16ToF32(value.bits); }
float Widen(BF16 value) { return BF16ToF32(value.bits); }

template <class W>
void Matmul(const MatmulArgs& a) {
  CountCall();
  for (int64_t i = 0; i < a.rows; ++i) {
    const float* x = a.x + i * a.x_stride;
    for (int64_t j = 0; j < a.outputs; ++j) {
      const NumberRow at = NumberRowAt(a.layout, a.outputs, a.depth, j);
      const W* w = static_cast<const W*>(a.w) + at.begin;
      float y = LaneDot(
          a.depth, [&](int64_t k) { return x[k]; },
          [&](int64_t k) {
            return Widen(w[k / kNumberPanelDepth * at.step + k % kNumberPanelDepth]);
          });
      if (a.bias != nullptr) y = y + a.bias[j];
      a.y[i * a.y_stride + j] = y;
    }
  }
}

template <class F>
float DotOfBlocks(const BlockMatmulArgs& a, int64_t row, int64_t output) {
  const int64_t row_blocks = a.depth / F::kValues;
  const BlocksOfMatrix<F> w(a.w, a.layout, a.outputs, row_blocks);
  float y = 0;
  for (int64_t b = 0; b < row_blocks; ++b) {
    Codes codes;
    Unpack(w.At(output, b), codes);
    const int64_t first = row * a.depth + b * F::kValues;
    int32_t sum = 0;
    int32_t min_sum = 0;
    for (int64_t i = 0; i < F::kValues; ++i) {
      const int part = F::kValues == kMaxBlockValues ? codes.parts[i / kPartValues] : 1;
      sum += part * (codes.codes[i] - F::kOffset) * a.x.values[first + i];
      if constexpr (F::kHasMins) min_sum += codes.mins[i / kPartValues] * a.x.values[first + i];
    }
    const float scale = a.x.scales[row * row_blocks + b];
    y = std::fma(codes.scale * scale, static_cast<float>(sum), y);
    if constexpr (F::kHasMins) {
      y = std::fma(codes.min_scale * -scale, static_cast<float>(min_sum), y);
    }
  }
  return a.bias == nullptr ? y : y + a.bias[output];
}

void BlockMatmul(const BlockMatmulArgs& a) {
  CountCall();
  VisitFormat(a.format, [&](auto format) {
    for (int64_t i = 0; i < a.rows; ++i) {
      for (int64_t j = 0; j < a.outputs; ++j) {
        a.y[i * a.y_stride + j] = DotOfBlocks<decltype(format)>(a, i, j);
      }
    }
  });
}

void QuantizeRows(const QuantizeArgs& a) {
  for (int64_t row = 0; row < a.rows; ++row) {
    for (int64_t b = 0; b < a.depth / a.block_values; ++b) {
      const float* x = a.x + row * a.x_stride + b * a.block_values;
      int8_t* values = a.values + row * a.depth + b * a.block_values;
      float largest = 0;
      bool finite = true;
      for (int64_t i = 0; i < a.block_values; ++i) {
        finite = finite && std::isfinite(x[i]);
        largest = Max(std::fabs(x[i]), largest);
      }
      const bool zero = !finite || largest < kLeastQuantized;
      const float inverse = 127.0F / largest;
      for (int64_t i = 0; i < a.block_values; ++i) {
        values[i] = zero ? int8_t{0} : static_cast<int8_t>(std::nearbyint(x[i] * inverse));
      }
      a.scales[row * (a.depth / a.block_values) + b] = !finite
                                                           ? std::numeric_limits<float>::quiet_NaN()
                                                       : zero ? 0.0F
                                                              : largest / 127.0F;
    }
    int16_t* sums = a.sums + row * (a.depth / a.block_values) * BlockSums(a.block_values);
    for (int64_t first = 0; first < a.depth; first += a.block_values) {
      const int8_t* values = a.values + row * a.depth + first;
      const auto add_sums = [&](int64_t n) {
        for (int64_t i = 0; i < a.block_values; i += n) {
          *sums++ = static_cast<int16_t>(std::accumulate(values + i, values + i + n, 0));
        }
      };
      add_sums(kPartValues);
      if (a.block_values == kMaxBlockValues) add_sums(2 * kPartValues);
    }
  }
}

template <class B>
void OuterMatmul(const OuterMatmulArgs& args) {
  CountCall();
  for (int64_t i = 0; i < args.rows; ++i) {
    for (int64_t p = 0; p < args.depth; ++p) {
      const float a = args.a[i * args.a_stride + p * args.a_step];
      const B* b = static_cast<const B*>(args.b) + p * args.cols;
      float* y = args.y + i * args.y_stride;
      for (int64_t c = 0; c < args.cols; ++c) y[c] = std::fma(a, Widen(b[c]), y[c]);
    }
  }
}

void RmsNorm(const float* x, const float* gain, float eps, int64_t n, float* y) {
  const auto value = [&](int64_t k) { return x[k]; };
  const float mean = LaneDot(n, value, value) / static_cast<float>(n);
  const float scale = 1.0F / std::sqrt(mean + eps);
  for (int64_t k = 0; k < n; ++k) y[k] = (x[k] * scale) * gain[k];
}

void SiluMul(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t k = 0; k < n; ++k) y[k] = gate[k] / (1.0F + Exp(-gate[k])) * up[k];
}

void GeluTanhMul(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t k = 0; k < n; ++k) {
    const float g = gate[k];
    const float t = g * std::fma(gelu_constants::kCubic, g * g, gelu_constants::kLinear);
    y[k] = g / (1.0F + Exp(-t)) * up[k];
  }
}

void SiluMulBackward(const float* gate, const float* up, const float* dy, int64_t n, float* dgate,
                     float* dup) {
  for (int64_t k = 0; k < n; ++k) {
    const float g = gate[k];
    const float d = dy[k];
    const float s = 1.0F / (1.0F + Exp(-g));
    dgate[k] = d * up[k] * (s * std::fma(g, 1.0F - s, 1.0F));
    dup[k] = d * (g * s);
  }
}

void GeluTanhMulBackward(const float* gate, const float* up, const float* dy, int64_t n,
                         float* dgate, float* dup) {
  constexpr float kCubicSlope = 3 * gelu_constants::kCubic;
  for (int64_t k = 0; k < n; ++k) {
    const float g = gate[k];
    const float d = dy[k];
    const float squared = g * g;
    const float t = g * std::fma(gelu_constants::kCubic, squared, gelu_constants::kLinear);
    const float s = 1.0F / (1.0F + Exp(-t));
    const float slope = std::fma(kCubicSlope, squared, gelu_constants::kLinear);
    dgate[k] = d * up[k] * (s * std::fma(g * (1.0F - s), slope, 1.0F));
    dup[k] = d * (g * s);
  }
}

void Add(const float* x, int64_t n, float* y) {
  for (int64_t k = 0; k < n; ++k) y[k] = x[k] + y[k];
}

void Axpy(float a, const float* x, int64_t n, float* y) {
  for (int64_t k = 0; k < n; ++k) y[k] = std::fma(a, x[k], y[k]);
}

// x[k] = exp(x[k] - max); returns their lane sum.
float ExpAndSum(float* x, int64_t n, float max) {
  Lanes lanes{};
  for (int64_t k = 0; k < n; ++k) {
    x[k] = Exp(x[k] - max);
    lanes[static_cast<size_t>(k % kLanes)] += x[k];
  }
  return SumTree(lanes);
}

float SumExp(const float* x, int64_t n, float max) {
  Lanes lanes{};
  for (int64_t k = 0; k < n; ++k) lanes[static_cast<size_t>(k % kLanes)] += Exp(x[k] - max);
  return SumTree(lanes);
}

void Softmax(float* x, int64_t n) {
  float max = x[0];
  for (int64_t k = 1; k < n; ++k) max = Max(x[k], max);
  const float sum = ExpAndSum(x, n, max);
  for (int64_t k = 0; k < n; ++k) x[k] = x[k] / sum;
}

void Rope(float* x, const float* cos, const float* sin, int64_t half) {
  for (int64_t i = 0; i < half; ++i) {
    const float first = x[i];
    const float second = x[i + half];
    x[i] = std::fma(first, cos[i], -(second * sin[i]));
    x[i + half] = std::fma(second, cos[i], first * sin[i]);
  }
}

void AttendQuery(const AttentionTile& t, AttentionState& state) {
  std::array<float, kTileKeys> p{};  // keys outside [begin, end) keep 0 and change no sum
  float max = state.max;
  for (int64_t j = t.begin; j < t.end; ++j) {
    const float* key = t.keys + j * t.head_dim;
    const float score = LaneDot(
        t.head_dim, [&](int64_t d) { return state.query[d]; }, [&](int64_t d) { return key[d]; });
    p[static_cast<size_t>(j)] = score * t.scale;
    max = Max(p[static_cast<size_t>(j)], max);
  }
  Lanes lanes{};
  for (int64_t j = t.begin; j < t.end; ++j) {
    const auto index = static_cast<size_t>(j);
    p[index] = Exp(p[index] - max);
    lanes[index % kLanes] += p[index];
  }
  const float correction = Exp(state.max - max);
  state.sum = std::fma(state.sum, correction, SumTree(lanes));
  state.max = max;
  for (int64_t d = 0; d < t.head_dim; ++d) {
    float acc = state.acc[d] * correction;
    for (int64_t j = t.begin; j < t.end; ++j) {
      acc = std::fma(p[static_cast<size_t>(j)], t.values[j * t.head_dim + d], acc);
    }
    state.acc[d] = acc;
  }
}

void AttendTile(const AttentionTile& tile, AttentionState* queries, int64_t num_queries) {
  CountCall();
  for (int64_t i = 0; i < num_queries; ++i) AttendQuery(tile, queries[i]);
}

void AttendMerge(const AttentionState& later, int64_t head_dim, AttentionState& state) {
  const float max = Max(later.max, state.max);
  const float earlier_factor = Exp(state.max - max);
  const float later_factor = Exp(later.max - max);
  state.sum = std::fma(state.sum, earlier_factor, later.sum * later_factor);
  state.max = max;
  for (int64_t d = 0; d < head_dim; ++d) {
    state.acc[d] = std::fma(state.acc[d], earlier_factor, later.acc[d] * later_factor);
  }
}

}  // namespace

extern const KernelTable kRefKernels;
const KernelTable kRefKernels = {
    .isa = "ref",
    .num_calls = &num_calls,
    .matmul = {Matmul<float>, Matmul<F16>, Matmul<BF16>},
    .quantize_rows = QuantizeRows,
    .block_matmul = BlockMatmul,
    .outer_matmul = {OuterMatmul<float>, OuterMatmul<F16>, OuterMatmul<BF16>},
    .matmul_bf16 = nullptr,
    .pack_bf16 = nullptr,
    .outer_matmul_bf16 = nullptr,
    .pair_bf16 = nullptr,
    .round_bf16 = nullptr,
    .rms_norm = RmsNorm,
    .silu_mul = SiluMul,
    .gelu_tanh_mul = GeluTanhMul,
    .silu_mul_backward = SiluMulBackward,
    .gelu_tanh_mul_backward = GeluTanhMulBackward,
    .add = Add,
    .axpy = Axpy,
    .sum_exp = SumExp,
    .softmax = Softmax,
    .rope = Rope,
    .attend_tile = AttendTile,
    .attend_merge = AttendMerge,
};

}  // namespace moiety
