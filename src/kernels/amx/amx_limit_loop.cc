// How fast AMX multiplies bf16 at most; see limit_loops.h.
#include "kernels/amx/tiles.h"

namespace moiety {

float MultiplyAddAmx(int64_t count) {
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

extern const int64_t kAmxFlopsPerBlock;
const int64_t kAmxFlopsPerBlock = int64_t{4} * 2 * 16 * 16 * 32;

}  // namespace moiety
