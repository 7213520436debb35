// The kernels written once over a vector of 16 floats. Each instruction set's folder includes this
// file after defining, in the namespace MOIETY_KERNEL_NAMESPACE, a type `Vec` with
//
//   Zero() Set(x) Load(p) LoadPartial(p, n) Load(BF16*) … Store(p) StorePartial(p, n)
//   KeepLanes(begin, end)  + - * / -v  Fma(a, b, c)  SelectLess(…)  ScaleByPow2(v, n)  SumTree(v)
//   kTileRows, kTileOutputs: the tile of a product whose vectors fit the registers
//
// and a type `Part`, one register of a Vec: Zero() Load(p) Store(p) Fma(a, b, c), kLanes and a tile
// of its own; Vec itself where all lanes fit one, else with Vec::StoreParts(p, stride).
// MultiplyBlocks(args) is there, too; see block_matmul_impl.h.
//
// Nothing here may come from the standard library or be an inline function shared with other files:
// the linker could keep the copy compiled for this instruction set for everybody.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include "base/exact_math.h"
#include "kernels/kernels.h"

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

int64_t num_calls = 0;  // KernelTable::num_calls
inline void CountCall() { __atomic_fetch_add(&num_calls, 1, __ATOMIC_RELAXED); }

constexpr int64_t kLanes = 16;

// Lanes beyond `n` are 0.
template <class T>
inline Vec LoadUpTo(const T* p, int64_t n) {
  return n >= kLanes ? Vec::Load(p) : Vec::LoadPartial(p, n);
}
inline void StoreUpTo(Vec v, float* p, int64_t n) {
  if (n >= kLanes) {
    v.Store(p);
  } else {
    v.StorePartial(p, n);
  }
}

constexpr int kParts = kLanes / Part::kLanes;  // registers of a Vec

// sums[i] = tree of the 16 lanes that stand at lanes + 16 · i.
template <int N, class P = Part>
inline void SumTrees(const float* lanes, float* sums) {
  if constexpr (N == 16 && kParts == 1) {
    P::SumSixteenTrees(lanes, sums);
  } else {
    for (int i = 0; i < N; ++i) sums[i] = SumTree(Vec::Load(lanes + i * kLanes));
  }
}

// moiety::Exp lane by lane.
inline Vec ExpVec(Vec x) {
  using namespace exp_constants;  // NOLINT(google-build-using-namespace)
  const Vec n = Fma(x, Vec::Set(kLog2E), Vec::Set(kRound)) - Vec::Set(kRound);
  Vec r = Fma(-n, Vec::Set(kLn2High), x);
  r = Fma(-n, Vec::Set(kLn2Low), r);
  Vec p = Vec::Set(kC[0]);
  for (int i = 1; i < 6; ++i) p = Fma(p, r, Vec::Set(kC[i]));
  p = Fma(p, r * r, r) + Vec::Set(1.0F);
  const Vec y = ScaleByPow2(p, n);
  // NaN compares false with both bounds and has already made y NaN.
  return SelectLess(x, Vec::Set(kMin), Vec::Zero(),
                    SelectLess(Vec::Set(kMax), x, Vec::Set(__builtin_inff()), y));
}

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety

#include "kernels/generic/matmul_impl.h"
#include "kernels/generic/outer_matmul_impl.h"
#include "kernels/generic/quantize_impl.h"
// After what it is built from.
#include "kernels/generic/attention_impl.h"

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

void BlockMatmul(const BlockMatmulArgs& args) {
  CountCall();
  MultiplyBlocks(args);
}

void RmsNorm(const float* x, const float* gain, float eps, int64_t n, float* y) {
  Vec squares = Vec::Zero();
  for (int64_t k = 0; k < n; k += kLanes) {
    const Vec v = LoadUpTo(x + k, n - k);
    squares = Fma(v, v, squares);
  }
  const float mean = SumTree(squares) / static_cast<float>(n);
  const Vec scale = Vec::Set(1.0F / __builtin_sqrtf(mean + eps));
  for (int64_t k = 0; k < n; k += kLanes) {
    StoreUpTo((LoadUpTo(x + k, n - k) * scale) * LoadUpTo(gain + k, n - k), y + k, n - k);
  }
}

void SiluMul(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t k = 0; k < n; k += kLanes) {
    const Vec g = LoadUpTo(gate + k, n - k);
    const Vec silu = g / (Vec::Set(1.0F) + ExpVec(-g));
    StoreUpTo(silu * LoadUpTo(up + k, n - k), y + k, n - k);
  }
}

void GeluTanhMul(const float* gate, const float* up, int64_t n, float* y) {
  const Vec cubic = Vec::Set(gelu_constants::kCubic);
  const Vec linear = Vec::Set(gelu_constants::kLinear);
  for (int64_t k = 0; k < n; k += kLanes) {
    const Vec g = LoadUpTo(gate + k, n - k);
    const Vec t = g * Fma(cubic, g * g, linear);
    const Vec gelu = g / (Vec::Set(1.0F) + ExpVec(-t));
    StoreUpTo(gelu * LoadUpTo(up + k, n - k), y + k, n - k);
  }
}

void SiluMulBackward(const float* gate, const float* up, const float* dy, int64_t n, float* dgate,
                     float* dup) {
  const Vec one = Vec::Set(1.0F);
  for (int64_t k = 0; k < n; k += kLanes) {
    const Vec g = LoadUpTo(gate + k, n - k);
    const Vec d = LoadUpTo(dy + k, n - k);
    const Vec s = one / (one + ExpVec(-g));
    const Vec slope = s * Fma(g, one - s, one);
    StoreUpTo((d * LoadUpTo(up + k, n - k)) * slope, dgate + k, n - k);
    StoreUpTo(d * (g * s), dup + k, n - k);
  }
}

void GeluTanhMulBackward(const float* gate, const float* up, const float* dy, int64_t n,
                         float* dgate, float* dup) {
  const Vec one = Vec::Set(1.0F);
  const Vec cubic = Vec::Set(gelu_constants::kCubic);
  const Vec linear = Vec::Set(gelu_constants::kLinear);
  const Vec cubic_slope = Vec::Set(3 * gelu_constants::kCubic);
  for (int64_t k = 0; k < n; k += kLanes) {
    const Vec g = LoadUpTo(gate + k, n - k);
    const Vec d = LoadUpTo(dy + k, n - k);
    const Vec squared = g * g;
    const Vec s = one / (one + ExpVec(-(g * Fma(cubic, squared, linear))));
    const Vec slope = s * Fma(g * (one - s), Fma(cubic_slope, squared, linear), one);
    StoreUpTo((d * LoadUpTo(up + k, n - k)) * slope, dgate + k, n - k);
    StoreUpTo(d * (g * s), dup + k, n - k);
  }
}

void Add(const float* x, int64_t n, float* y) {
  for (int64_t k = 0; k < n; k += kLanes) {
    StoreUpTo(LoadUpTo(x + k, n - k) + LoadUpTo(y + k, n - k), y + k, n - k);
  }
}

void Axpy(float a, const float* x, int64_t n, float* y) {
  const Vec factor = Vec::Set(a);
  for (int64_t k = 0; k < n; k += kLanes) {
    StoreUpTo(Fma(factor, LoadUpTo(x + k, n - k), LoadUpTo(y + k, n - k)), y + k, n - k);
  }
}

float SumExp(const float* x, int64_t n, float max) {
  Vec sums = Vec::Zero();
  for (int64_t k = 0; k < n; k += kLanes) {
    sums = sums + ExpVec(LoadUpTo(x + k, n - k) - Vec::Set(max)).KeepLanes(0, n - k);
  }
  return SumTree(sums);
}

void Softmax(float* x, int64_t n) {
  float max = x[0];
  for (int64_t k = 1; k < n; ++k) max = x[k] > max ? x[k] : max;
  Vec sums = Vec::Zero();
  for (int64_t k = 0; k < n; k += kLanes) {
    StoreUpTo(ExpVec(LoadUpTo(x + k, n - k) - Vec::Set(max)), x + k, n - k);
    sums = sums + LoadUpTo(x + k, n - k);
  }
  const Vec sum = Vec::Set(SumTree(sums));
  for (int64_t k = 0; k < n; k += kLanes) {
    StoreUpTo(LoadUpTo(x + k, n - k) / sum, x + k, n - k);
  }
}

void Rope(float* x, const float* cos, const float* sin, int64_t half) {
  for (int64_t k = 0; k < half; k += kLanes) {
    const int64_t rest = half - k;
    const Vec first = LoadUpTo(x + k, rest);
    const Vec second = LoadUpTo(x + half + k, rest);
    const Vec c = LoadUpTo(cos + k, rest);
    const Vec s = LoadUpTo(sin + k, rest);
    StoreUpTo(Fma(first, c, -(second * s)), x + k, rest);
    StoreUpTo(Fma(second, c, first * s), x + half + k, rest);
  }
}

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety

// The table of this instruction set, from the functions above.
#define MOIETY_GENERIC_KERNEL_TABLE(name)                                                       \
  {                                                                                             \
    .isa = name, .num_calls = &num_calls, .matmul = {Matmul<float>, Matmul<F16>, Matmul<BF16>}, \
    .quantize_rows = QuantizeRows, .block_matmul = BlockMatmul,                                 \
    .outer_matmul = {OuterMatmul<float>, OuterMatmul<F16>, OuterMatmul<BF16>},                  \
    .matmul_bf16 = nullptr, .pack_bf16 = nullptr, .outer_matmul_bf16 = nullptr,                 \
    .pair_bf16 = nullptr, .round_bf16 = nullptr, .rms_norm = RmsNorm, .silu_mul = SiluMul,      \
    .gelu_tanh_mul = GeluTanhMul, .silu_mul_backward = SiluMulBackward,                         \
    .gelu_tanh_mul_backward = GeluTanhMulBackward, .add = Add, .axpy = Axpy, .sum_exp = SumExp, \
    .softmax = Softmax, .rope = Rope, .attend_tile = AttendTile, .attend_merge = AttendMerge,   \
  }
