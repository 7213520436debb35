// Keys and values of one page, whatever type they are kept in.
#ifndef MOIETY_OPS_KV_TILE_H_
#define MOIETY_OPS_KV_TILE_H_

#include <cstddef>
#include <cstdint>

#include "ops/state.h"

namespace moiety {

// Writes the key and the value [num_kv_heads, head_dim] of one token to slot 0 … kPageTokens - 1 of
// a page.
void StoreKvToken(const StateLayout& layout, int64_t layer, std::byte* page, int64_t slot,
                  const float* key, const float* value);

// Of one kv head: f32 [kPageTokens, head_dim] each.
struct KvTile {
  const float* keys;
  const float* values;
};

// f32 values that ReadKvTile() needs to widen a page; 0 where it needs none.
int64_t KvTileScratch(const StateSpec& spec);

// The first `rows` keys and values of one head of a page: in the page itself where they are f32,
// else widened to `scratch` [KvTileScratch()]. What is behind those rows may be anything.
KvTile ReadKvTile(const StateLayout& layout, int64_t layer, const std::byte* page, int64_t kv_head,
                  int64_t rows, float* scratch);

}  // namespace moiety

#endif  // MOIETY_OPS_KV_TILE_H_
