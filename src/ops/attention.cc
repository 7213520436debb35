#include "ops/attention.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "ops/kv_tile.h"

namespace moiety {
namespace {

// Query rows per task: they share each tile of keys while it is in the cache.
constexpr int64_t kBlockRows = 16;

struct Block {
  const Segment* segment;
  int64_t first;  // rows [first, first + count) of the segment
  int64_t count;
};

std::vector<Block> SplitIntoBlocks(const Batch& batch) {
  std::vector<Block> blocks;
  for (const Segment& segment : batch.segments) {
    for (int64_t first = 0; first < segment.count; first += kBlockRows) {
      blocks.push_back({&segment, first, std::min(kBlockRows, segment.count - first)});
    }
  }
  return blocks;
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
  const StateSpec& spec = layout.layers[static_cast<size_t>(layer)];
  const int64_t head_dim = spec.head_dim;
  const int64_t num_heads = queries.cols / head_dim;
  const int64_t heads_per_group = num_heads / spec.num_kv_heads;
  const Matrix out = exec.NewMatrix(queries.rows, queries.cols);
  if (!exec.ok()) return out;

  const std::vector<Block> blocks = SplitIntoBlocks(batch);
  exec.pool().ParallelFor(
      static_cast<int64_t>(blocks.size()) * spec.num_kv_heads, [&](int64_t task) {
        const Block& block = blocks[static_cast<size_t>(task / spec.num_kv_heads)];
        const int64_t kv_head = task % spec.num_kv_heads;
        const Segment& segment = *block.segment;
        const int64_t first_row = segment.begin + block.first;
        const int64_t first_position = segment.position + block.first;
        const int64_t num_states = block.count * heads_per_group;

        // Each query accumulates in its place of the output.
        std::vector<AttentionState> states(static_cast<size_t>(num_states));
        for (int64_t s = 0; s < num_states; ++s) {
          float* acc = out.Row(first_row + s / heads_per_group) +
                       (kv_head * heads_per_group + s % heads_per_group) * head_dim;
          std::fill_n(acc, head_dim, 0.0F);
          states[static_cast<size_t>(s)] = {-std::numeric_limits<float>::infinity(), 0, acc};
        }
        // The first position that row i sees.
        const auto window_begin = [&](int64_t i) {
          return spec.window == 0 ? 0 : std::max<int64_t>(0, first_position + i + 1 - spec.window);
        };
        const int64_t last_position = first_position + block.count - 1;
        const int64_t last_tile = last_position / kPageTokens;
        std::unique_ptr<float[]> scratch;  // widened once for all queries of the task
        if (KvTileScratch(spec) > 0) {
          scratch =
              std::make_unique_for_overwrite<float[]>(static_cast<size_t>(KvTileScratch(spec)));
        }
        for (int64_t tile = window_begin(0) / kPageTokens; tile <= last_tile; ++tile) {
          const KvTile kv = ReadKvTile(
              layout, layer, segment.pages[static_cast<size_t>(tile)], kv_head,
              std::min(last_position + 1 - tile * kPageTokens, kPageTokens), scratch.get());
          for (int64_t s = 0; s < num_states; ++s) {
            const int64_t i = s / heads_per_group;
            const int64_t begin = std::max<int64_t>(window_begin(i) - tile * kPageTokens, 0);
            const int64_t end = std::min(first_position + i + 1 - tile * kPageTokens, kPageTokens);
            if (begin >= end) continue;
            AttentionState& state = states[static_cast<size_t>(s)];
            const float* query = queries.data + (state.acc - out.data);
            exec.kernels().attend_tile({.query = query,
                                        .keys = kv.keys,
                                        .values = kv.values,
                                        .begin = begin,
                                        .end = end,
                                        .head_dim = head_dim,
                                        .scale = scale},
                                       state);
          }
        }
        for (const AttentionState& state : states) {
          for (int64_t d = 0; d < head_dim; ++d) state.acc[d] = state.acc[d] / state.sum;
        }
      });
  return out;
}

}  // namespace moiety
