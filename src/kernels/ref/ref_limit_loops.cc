// Plain C++: std::fma is a function of the C library here, as it is for the plain kernels.
#include <array>
#include <cmath>
#include <cstdint>

#define MOIETY_KERNEL_NAMESPACE ref

namespace moiety::ref {
namespace {

struct Reg {
  using Type = float;
  static constexpr int kLanes = 1;
  static constexpr int kChains = 8;
  static Type Set(float x) { return x; }
  static Type Load(const float* p) { return *p; }
  static Type Fma(Type a, Type b, Type c) { return std::fma(a, b, c); }
  static Type Add(Type a, Type b) { return a + b; }
  static void Store(float* p, Type v) { *p = v; }
};

// Whatever the compiler makes of bytes in memory, as for the plain kernels.
struct IntReg {
  using Type = int;
  static constexpr int kProducts = 256;
  static constexpr int kChains = 1;
  static Type Zero() { return 0; }
  static Type Step(Type acc) {
    static const std::array<int8_t, kProducts> x = [] {
      std::array<int8_t, kProducts> values;
      for (size_t i = 0; i < values.size(); ++i) values[i] = i % 2 == 0 ? int8_t{1} : int8_t{-1};
      return values;
    }();
    const int8_t* values = x.data();
    asm("" : "+r"(values) : : "memory");  // multiplied each time
    int sum = 0;
    for (int i = 0; i < kProducts; ++i) sum += values[i] * values[i] * values[i];
    return acc + sum;
  }
  static int Low(Type acc) { return acc; }
};

}  // namespace
}  // namespace moiety::ref

#include "kernels/generic/limit_loops_impl.h"

namespace moiety {
extern const LimitLoops kRefLimitLoops;
const LimitLoops kRefLimitLoops = {"ref", ref::MultiplyAdd, ref::kFlopsPerBlock, ref::Read};
extern const LimitLoops kRefInt8Loops;
const LimitLoops kRefInt8Loops = {"ref", ref::MultiplyAddInt8, ref::kInt8OpsPerBlock, nullptr};
}  // namespace moiety
