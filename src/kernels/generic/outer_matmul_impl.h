// Products that sum over the rows of their second factor, written once over the registers of an
// instruction set; see kernels_impl.h. Lanes are columns of the result.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from kernels_impl.h only"
#endif

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

// R rows and V vectors of columns.
template <int R, int V, class B>
inline void OuterTile(const OuterMatmulArgs& args, int64_t row, int64_t col) {
  const float* a = args.a + row * args.a_stride;
  const B* b = static_cast<const B*>(args.b) + col;
  float* y = args.y + row * args.y_stride + col;
  const int64_t rest = args.cols - col - (V - 1) * kLanes;  // lanes of the last vector
  Vec acc[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      acc[i][v] = LoadUpTo(y + i * args.y_stride + v * kLanes, v + 1 < V ? kLanes : rest);
    }
  }
  for (int64_t p = 0; p < args.depth; ++p, a += args.a_step, b += args.cols) {
    Vec bv[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) bv[v] = LoadUpTo(b + v * kLanes, v + 1 < V ? kLanes : rest);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const Vec av = Vec::Set(a[i * args.a_stride]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[i][v] = Fma(av, bv[v], acc[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      StoreUpTo(acc[i][v], y + i * args.y_stride + v * kLanes, v + 1 < V ? kLanes : rest);
    }
  }
}

template <int V, class B>
inline void OuterColumns(const OuterMatmulArgs& args, int64_t col) {
  int64_t row = 0;
  for (; row + Vec::kTileRows <= args.rows; row += Vec::kTileRows) {
    OuterTile<Vec::kTileRows, V, B>(args, row, col);
  }
  for (; row < args.rows; ++row) OuterTile<1, V, B>(args, row, col);
}

template <class B>
void OuterMatmul(const OuterMatmulArgs& args) {
  CountCall();
  if (args.depth == 0) return;  // the factors may be null
  constexpr int V = Vec::kTileOutputs;
  int64_t col = 0;
  for (; col + V * kLanes <= args.cols; col += V * kLanes) OuterColumns<V, B>(args, col);
  for (; col < args.cols; col += kLanes) OuterColumns<1, B>(args, col);
}

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
