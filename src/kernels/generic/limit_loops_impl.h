// The limit loops written once over a register type. Each instruction set's folder includes this
// file after defining, in the namespace MOIETY_KERNEL_NAMESPACE, a type `Reg` with
//
//   kLanes  kChains (multiply-adds that run at the same time: latency × units, as registers allow)
//   Set(x) Load(p) Fma(a, b, c) Add(a, b) Store(p, v)
//
// and a type `IntReg` of the integers that products of bytes are added to, at most
//
//   kProducts (of a step)  kChains  Zero() Step(acc, bytes): acc + Σ of products, which are 0
//   Low(acc): one of the sums
//
// As in kernels_impl.h, nothing here may be shared with other files.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from an instruction set's folder only"
#endif

#include "kernels/limit_loops.h"

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

inline float SumOf(const typename Reg::Type* values, int count) {
  typename Reg::Type sum = values[0];
  for (int i = 1; i < count; ++i) sum = Reg::Add(sum, values[i]);
  float lanes[Reg::kLanes];
  Reg::Store(lanes, sum);
  float total = 0;
  for (int i = 0; i < Reg::kLanes; ++i) total += lanes[i];
  return total;
}

float MultiplyAdd(int64_t count) {
  // Converges to 1: no value is ever subnormal or infinite, which would be slow.
  const typename Reg::Type a = Reg::Set(0.5F);
  const typename Reg::Type b = Reg::Set(0.5F);
  typename Reg::Type acc[Reg::kChains];
#pragma GCC unroll 32
  for (int i = 0; i < Reg::kChains; ++i) acc[i] = Reg::Set(1.5F + static_cast<float>(i));
  for (int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 32
    for (int i = 0; i < Reg::kChains; ++i) acc[i] = Reg::Fma(acc[i], a, b);
  }
  return SumOf(acc, Reg::kChains);
}

float MultiplyAddInt8(int64_t count) {
  typename IntReg::Type acc[IntReg::kChains];
#pragma GCC unroll 32
  for (int i = 0; i < IntReg::kChains; ++i) acc[i] = IntReg::Zero();
  for (int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 32
    for (int i = 0; i < IntReg::kChains; ++i) acc[i] = IntReg::Step(acc[i]);
  }
  int sum = 0;
  for (int i = 0; i < IntReg::kChains; ++i) sum += IntReg::Low(acc[i]);
  return static_cast<float>(sum);
}

float Read(const float* x, int64_t count) {
  constexpr int kSums = 8;
  constexpr int64_t kAhead = 1024;  // values: what the processor's own prefetching may not cover
  typename Reg::Type sum[kSums];
#pragma GCC unroll 8
  for (int i = 0; i < kSums; ++i) sum[i] = Reg::Set(0);
  for (int64_t k = 0; k < count; k += kReadBlock) {
#pragma GCC unroll 8
    for (int64_t line = 0; line < kReadBlock; line += 16) {
      __builtin_prefetch(x + k + kAhead + line);
    }
#pragma GCC unroll 32
    for (int64_t i = 0; i < kReadBlock / Reg::kLanes; ++i) {
      sum[i % kSums] = Reg::Add(sum[i % kSums], Reg::Load(x + k + i * Reg::kLanes));
    }
  }
  return SumOf(sum, kSums);
}

constexpr int64_t kFlopsPerBlock = int64_t{2} * Reg::kLanes * Reg::kChains;
constexpr int64_t kInt8OpsPerBlock = int64_t{2} * IntReg::kProducts * IntReg::kChains;

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
