// One tile of attention, written once over the registers of an instruction set; see kernels_impl.h.
// Queries that see the same keys share each register of keys and values that is loaded.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from kernels_impl.h only"
#endif

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

// p[i][j] = (query_i · key_j) · scale for K keys from `first` on.
template <int R, int K>
inline void ScoreKeys(const AttentionTile& t, const AttentionState* queries, int64_t first,
                      float (*p)[kTileKeys]) {
  constexpr int64_t L = Part::kLanes;
  const float* keys = t.keys + first * t.head_dim;
  alignas(64) float lanes[R * K * kLanes];
  for (int part = 0; part < kParts; ++part) {
    Part acc[R][K];
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
      for (int j = 0; j < K; ++j) acc[i][j] = Part::Zero();
    }
    const auto step = [&](const auto& load) __attribute__((always_inline)) {
      Part query[R];
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) query[i] = load(queries[i].query);
#pragma GCC unroll 16
      for (int j = 0; j < K; ++j) {
        const Part key = load(keys + j * t.head_dim);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) acc[i][j] = Fma(query[i], key, acc[i][j]);
      }
    };
    int64_t d = part * L;
    for (; d + L <= t.head_dim; d += kLanes) {
      step([&](const float* row) __attribute__((always_inline)) { return Part::Load(row + d); });
    }
    if (d < t.head_dim) {
      step([&](const float* row) __attribute__((always_inline)) {
        return Part::LoadPartial(row + d, t.head_dim - d);
      });
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
      for (int j = 0; j < K; ++j) acc[i][j].Store(lanes + (i * K + j) * kLanes + part * L);
    }
  }
  float sums[R * K];
  SumTrees<R * K>(lanes, sums);
  for (int i = 0; i < R; ++i) {
    for (int j = 0; j < K; ++j) p[i][first + j] = sums[i * K + j] * t.scale;
  }
}

// acc[d] = acc[d] · correction + Σ_j p_j · value_j[d] for D registers of d.
template <int R, int D, bool kPartial>
inline void AddValues(const AttentionTile& t, AttentionState* queries, const float* correction,
                      const float (*p)[kTileKeys], int64_t d) {
  constexpr int64_t L = Part::kLanes;
  const int64_t rest = t.head_dim - d;
  Part acc[R][D];
  const auto load = [&](const float* from) __attribute__((always_inline)) {
    return kPartial ? Part::LoadPartial(from, rest) : Part::Load(from);
  };
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
    for (int e = 0; e < D; ++e) {
      acc[i][e] = load(queries[i].acc + d + e * L) * Part::Set(correction[i]);
    }
  }
  const float* values = t.values + t.begin * t.head_dim + d;
  for (int64_t j = t.begin; j < t.end; ++j, values += t.head_dim) {
    Part value[D];
#pragma GCC unroll 16
    for (int e = 0; e < D; ++e) value[e] = load(values + e * L);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Part weight = Part::Set(p[i][j]);
#pragma GCC unroll 16
      for (int e = 0; e < D; ++e) acc[i][e] = Fma(weight, value[e], acc[i][e]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
    for (int e = 0; e < D; ++e) {
      float* to = queries[i].acc + d + e * L;
      if constexpr (kPartial) {
        acc[i][e].StorePartial(to, rest);
      } else {
        acc[i][e].Store(to);
      }
    }
  }
}

template <int R>
inline void AttendQueries(const AttentionTile& t, AttentionState* queries) {
  constexpr int kWide = Part::kAttentionTile / R;
  alignas(64) float p[R][kTileKeys] = {};  // keys outside [begin, end) keep 0 and change no sum
  int64_t j = t.begin;
  for (; j + kWide <= t.end; j += kWide) ScoreKeys<R, kWide>(t, queries, j, p);
  for (; j < t.end; ++j) ScoreKeys<R, 1>(t, queries, j, p);

  float correction[R];
  for (int i = 0; i < R; ++i) {
    AttentionState& state = queries[i];
    float max = state.max;
    for (j = t.begin; j < t.end; ++j) max = p[i][j] > max ? p[i][j] : max;
    Vec sums = Vec::Zero();
    for (j = t.begin / kLanes * kLanes; j < t.end; j += kLanes) {
      Vec v = ExpVec(Vec::Load(p[i] + j) - Vec::Set(max));
      v = v.KeepLanes(t.begin - j, t.end - j);
      v.Store(p[i] + j);
      sums = sums + v;
    }
    correction[i] = Exp(state.max - max);
    state.sum = __builtin_fmaf(state.sum, correction[i], SumTree(sums));
    state.max = max;
  }

  constexpr int64_t L = Part::kLanes;
  int64_t d = 0;
  for (; d + kWide * L <= t.head_dim; d += kWide * L) {
    AddValues<R, kWide, false>(t, queries, correction, p, d);
  }
  for (; d + L <= t.head_dim; d += L) AddValues<R, 1, false>(t, queries, correction, p, d);
  if (d < t.head_dim) AddValues<R, 1, true>(t, queries, correction, p, d);
}

void AttendTile(const AttentionTile& t, AttentionState* queries, int64_t num_queries) {
  CountCall();
  int64_t i = 0;
  for (; i + 4 <= num_queries; i += 4) AttendQueries<4>(t, queries + i);
  for (; i + 2 <= num_queries; i += 2) AttendQueries<2>(t, queries + i);
  for (; i < num_queries; ++i) AttendQueries<1>(t, queries + i);
}

void AttendMerge(const AttentionState& later, int64_t head_dim, AttentionState& state) {
  const float max = later.max > state.max ? later.max : state.max;
  const float earlier_factor = Exp(state.max - max);
  const float later_factor = Exp(later.max - max);
  state.sum = __builtin_fmaf(state.sum, earlier_factor, later.sum * later_factor);
  state.max = max;
  for (int64_t d = 0; d < head_dim; d += kLanes) {
    const int64_t rest = head_dim - d;
    const Vec added = LoadUpTo(later.acc + d, rest) * Vec::Set(later_factor);
    StoreUpTo(Fma(LoadUpTo(state.acc + d, rest), Vec::Set(earlier_factor), added), state.acc + d,
              rest);
  }
}

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
