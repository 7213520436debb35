// What a sequence remembers between steps, as the model declares it and attention uses it.
#ifndef MOIETY_OPS_STATE_H_
#define MOIETY_OPS_STATE_H_

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace moiety {

// Tokens per KV page; also the tile of attention, so that results do not depend on paging.
inline constexpr int64_t kPageTokens = kTileKeys;

// One layer's state. This step has paged keys and values; latent (MLA), cross-attention and
// recurrent states get their own kinds here.
struct StateSpec {
  enum class Kind : uint8_t { kPagedKv };
  Kind kind = Kind::kPagedKv;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t window = 0;  // sliding window in tokens; 0: all earlier tokens are seen

  // f32 values of one page: keys [num_kv_heads, kPageTokens, head_dim], then values alike.
  int64_t page_values() const { return 2 * num_kv_heads * kPageTokens * head_dim; }
};

// A page holds kPageTokens tokens of all layers, one after the other.
struct StateLayout {
  std::vector<StateSpec> layers;
  std::vector<int64_t> offsets;  // of each layer inside a page, in f32 values
  int64_t page_values = 0;

  explicit StateLayout(std::vector<StateSpec> specs) : layers(std::move(specs)) {
    for (const StateSpec& spec : layers) {
      offsets.push_back(page_values);
      page_values += spec.page_values();
    }
  }
};

}  // namespace moiety

#endif  // MOIETY_OPS_STATE_H_
