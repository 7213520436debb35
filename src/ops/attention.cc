#include "ops/attention.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "ops/kv_tile.h"

namespace moiety {
namespace {

// Query rows of a block: they share each tile of keys while it is in the cache.
constexpr int64_t kAttentionRows = 16;

struct Block {
  const Segment* segment;
  int64_t first;  // rows [first, first + count) of the segment
  int64_t count;
};

std::vector<Block> SplitIntoBlocks(const Batch& batch) {
  std::vector<Block> blocks;
  for (const Segment& segment : batch.segments) {
    for (int64_t first = 0; first < segment.count; first += kAttentionRows) {
      blocks.push_back({&segment, first, std::min(kAttentionRows, segment.count - first)});
    }
  }
  return blocks;
}

// Where one call of Attend reads and writes.
struct Attention {
  const KernelTable& kernels;
  const StateLayout& layout;
  int64_t layer;
  const StateSpec& spec;  // of the layer
  float scale;
  const Matrix& queries;
  const Matrix& out;

  int64_t heads_per_group() const { return queries.cols / spec.head_dim / spec.num_kv_heads; }
  // The first position that a token at `position` sees.
  int64_t WindowBegin(int64_t position) const {
    return spec.window == 0 ? 0 : std::max<int64_t>(0, position + 1 - spec.window);
  }
  int64_t FirstSpan(const Block& b) const {
    return WindowBegin(b.segment->position + b.first) / kSpanTokens;
  }
  int64_t EndSpan(const Block& b) const {
    return (b.segment->position + b.first + b.count - 1) / kSpanTokens + 1;
  }
};

// Some spans of the keys of one group of heads, for the rows of a block.
struct Work {
  const Block* block;
  int64_t kv_head;
  int64_t first_span;
  int64_t end_span;
  AttentionState* states;  // [block->count · heads_per_group], row by row
};

// Empty states whose sums are to stand where `acc` says.
template <class AccOf>
void StartStates(const Attention& a, const Work& w, AttentionState* states, const AccOf& acc_of) {
  const int64_t group = a.heads_per_group();
  for (int64_t s = 0; s < w.block->count * group; ++s) {
    const int64_t row = w.block->segment->begin + w.block->first + s / group;
    const int64_t column = (w.kv_head * group + s % group) * a.spec.head_dim;
    float* acc = acc_of(s, row, column);
    std::fill_n(acc, a.spec.head_dim, 0.0F);
    states[s] = {a.queries.Row(row) + column, acc, -std::numeric_limits<float>::infinity(), 0};
  }
}

// `scratch`: for tiles that are not kept in f32 (KvTileScratch).
void AttendSpan(const Attention& a, const Work& w, int64_t span, float* scratch,
                AttentionState* states) {
  const Segment& segment = *w.block->segment;
  const int64_t first_position = segment.position + w.block->first;
  const int64_t end_position = first_position + w.block->count;
  const int64_t group = a.heads_per_group();
  const int64_t first_seen = std::max(a.WindowBegin(first_position), span * kSpanTokens);
  const int64_t end_seen = std::min(end_position, (span + 1) * kSpanTokens);
  for (int64_t tile = first_seen / kPageTokens; tile * kPageTokens < end_seen; ++tile) {
    const int64_t start = tile * kPageTokens;
    const KvTile kv = ReadKvTile(a.layout, a.layer, segment.pages[static_cast<size_t>(tile)],
                                 w.kv_head, std::min(end_position - start, kPageTokens), scratch);
    const auto seen = [&](int64_t i) {
      const int64_t position = first_position + i;
      return std::pair(std::max<int64_t>(a.WindowBegin(position) - start, 0),
                       std::min(position + 1 - start, kPageTokens));
    };
    // Rows that see the same keys go together.
    for (int64_t i = 0; i < w.block->count;) {
      const auto [begin, end] = seen(i);
      const int64_t first = i++;
      while (i < w.block->count && seen(i) == std::pair(begin, end)) ++i;
      if (begin >= end) continue;
      a.kernels.attend_tile({.keys = kv.keys,
                             .values = kv.values,
                             .begin = begin,
                             .end = end,
                             .head_dim = a.spec.head_dim,
                             .scale = a.scale},
                            states + first * group, (i - first) * group);
    }
  }
}

// Adds a later span to what came before; a row that saw no key of one of them keeps the other.
void MergeStates(const Attention& a, const Work& w, const AttentionState* later,
                 AttentionState* states) {
  for (int64_t s = 0; s < w.block->count * a.heads_per_group(); ++s) {
    if (later[s].sum == 0) continue;
    if (states[s].sum == 0) {
      std::copy_n(later[s].acc, a.spec.head_dim, states[s].acc);
      states[s].max = later[s].max;
      states[s].sum = later[s].sum;
    } else {
      a.kernels.attend_merge(later[s], a.spec.head_dim, states[s]);
    }
  }
}

void AttendSpans(const Attention& a, const Work& w) {
  std::unique_ptr<float[]> scratch;
  if (const int64_t values = KvTileScratch(a.spec); values > 0) {
    scratch = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(values));
  }
  AttendSpan(a, w, w.first_span, scratch.get(), w.states);
  if (w.first_span + 1 == w.end_span) return;
  const int64_t num_states = w.block->count * a.heads_per_group();
  std::vector<float> sums(static_cast<size_t>(num_states * a.spec.head_dim));
  std::vector<AttentionState> later(static_cast<size_t>(num_states));
  for (int64_t span = w.first_span + 1; span < w.end_span; ++span) {
    StartStates(a, w, later.data(),
                [&](int64_t s, int64_t, int64_t) { return sums.data() + s * a.spec.head_dim; });
    AttendSpan(a, w, span, scratch.get(), later.data());
    MergeStates(a, w, later.data(), w.states);
  }
}

void DivideBySums(const Attention& a, const Work& w) {
  for (int64_t s = 0; s < w.block->count * a.heads_per_group(); ++s) {
    const AttentionState& state = w.states[s];
    for (int64_t d = 0; d < a.spec.head_dim; ++d) state.acc[d] = state.acc[d] / state.sum;
  }
}

}  // namespace

void StoreKeysAndValues(Exec& exec, const Batch& batch, const StateLayout& layout, int64_t layer,
                        const Matrix& keys, const Matrix& values) {
  if (!exec.ok()) return;
  for (const Segment& segment : batch.segments) {
    for (int64_t i = 0; i < segment.count; ++i) {
      const int64_t position = segment.position + i;
      StoreKvToken(layout, layer, segment.pages[static_cast<size_t>(position / kPageTokens)],
                   position % kPageTokens, keys.Row(segment.begin + i),
                   values.Row(segment.begin + i));
    }
  }
}

Matrix Attend(Exec& exec, const Batch& batch, const StateLayout& layout, int64_t layer,
              const Matrix& queries, float scale) {
  const Matrix out = exec.NewMatrix(queries.rows, queries.cols);
  const Exec::Scope scope(exec);
  const Attention a = {exec.kernels(), layout,  layer, layout.layers[static_cast<size_t>(layer)],
                       scale,          queries, out};
  if (!exec.ok()) return out;

  // A short block's spans are shared out, so that one token of a long sequence occupies all
  // threads.
  const std::vector<Block> blocks = SplitIntoBlocks(batch);
  std::vector<Work> works;
  for (const Block& block : blocks) {
    const int64_t num_states = block.count * a.heads_per_group();
    const int64_t spans_per_work =
        block.segment->count <= kAttentionRows ? 1 : a.EndSpan(block) - a.FirstSpan(block);
    for (int64_t kv_head = 0; kv_head < a.spec.num_kv_heads; ++kv_head) {
      for (int64_t span = a.FirstSpan(block); span < a.EndSpan(block); span += spans_per_work) {
        works.push_back({&block, kv_head, span, span + spans_per_work,
                         exec.Allocate<AttentionState>(num_states)});
        float* sums = span == a.FirstSpan(block)
                          ? nullptr
                          : exec.Allocate<float>(num_states * a.spec.head_dim);
        if (!exec.ok()) return out;
        // The first span's sums grow in the output.
        StartStates(a, works.back(), works.back().states,
                    [&](int64_t s, int64_t row, int64_t column) {
                      return sums == nullptr ? out.Row(row) + column : sums + s * a.spec.head_dim;
                    });
      }
    }
  }
  exec.pool().ParallelFor(static_cast<int64_t>(works.size()), [&](int64_t i) {
    const Work& w = works[static_cast<size_t>(i)];
    AttendSpans(a, w);
    if (w.end_span == a.EndSpan(*w.block) && w.first_span == a.FirstSpan(*w.block)) {
      DivideBySums(a, w);
    }
  });
  for (size_t i = 0; i < works.size();) {
    const Work& first = works[i++];
    if (first.end_span == a.EndSpan(*first.block)) continue;
    while (i < works.size() && works[i].first_span != a.FirstSpan(*works[i].block)) {
      MergeStates(a, first, works[i++].states, first.states);
    }
    DivideBySums(a, first);
  }
  return out;
}

}  // namespace moiety
