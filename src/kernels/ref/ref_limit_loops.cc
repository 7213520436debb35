// Plain C++: std::fma is a function of the C library here, as it is for the plain kernels.
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

}  // namespace
}  // namespace moiety::ref

#include "kernels/generic/limit_loops_impl.h"

namespace moiety {
extern const LimitLoops kRefLimitLoops;
const LimitLoops kRefLimitLoops = {"ref", ref::MultiplyAdd, ref::kFlopsPerBlock, ref::Read};
}  // namespace moiety
