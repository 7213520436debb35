// What a sequence remembers between steps, as the model declares it and attention uses it.
#ifndef MOIETY_OPS_STATE_H_
#define MOIETY_OPS_STATE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "moiety/cache_type.h"
#include "ops/cache_type.h"

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
  // Chosen by whoever opens the model.
  CacheType key_type = CacheType::kF32;
  CacheType value_type = CacheType::kF32;

  // One page: keys [num_kv_heads, kPageTokens, head_dim] of key_type, then values of value_type.
  size_t key_bytes() const { return HeadBytes(key_type) * static_cast<size_t>(num_kv_heads); }
  size_t value_bytes() const { return HeadBytes(value_type) * static_cast<size_t>(num_kv_heads); }
  size_t page_bytes() const { return key_bytes() + value_bytes(); }

 private:
  size_t HeadBytes(CacheType type) const {
    return CacheBytes(type, head_dim) * static_cast<size_t>(kPageTokens);
  }
};

// A page holds kPageTokens tokens of all layers, one after the other.
struct StateLayout {
  std::vector<StateSpec> layers;
  std::vector<size_t> offsets;  // of each layer inside a page, in bytes
  size_t page_bytes = 0;

  explicit StateLayout(std::vector<StateSpec> specs) : layers(std::move(specs)) {
    for (const StateSpec& spec : layers) {
      offsets.push_back(page_bytes);
      page_bytes += spec.page_bytes();
    }
  }
};

}  // namespace moiety

#endif  // MOIETY_OPS_STATE_H_
