// How fast AMX multiplies bf16 at most; see limit_loops.h.
#include "kernels/amx/tiles.h"
#include "kernels/limit_loops.h"

namespace moiety {

extern const LimitLoops kAmxBf16Loops;

namespace {

float MultiplyAdd(int64_t count) {
  alignas(64) float sums[16 * 16];
  Tiles::Configure();
  Tiles::Zero<0>();
  Tiles::Zero<1>();
  Tiles::Zero<2>();
  Tiles::Zero<3>();
  Tiles::Zero<4>();
  Tiles::Zero<6>();
  for (int64_t n = 0; n < count; ++n) {
    Tiles::Multiply<0, 4, 6>();
    Tiles::Multiply<1, 4, 6>();
    Tiles::Multiply<2, 4, 6>();
    Tiles::Multiply<3, 4, 6>();
  }
  Tiles::Store<0>(sums);
  Tiles::Release();
  return sums[0];
}

}  // namespace

const LimitLoops kAmxBf16Loops = {"amx", MultiplyAdd, int64_t{4} * 2 * 16 * 16 * 32, nullptr};

}  // namespace moiety
