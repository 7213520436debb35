#include "ops/kv_tile.h"

namespace moiety {
namespace {

// Where the row of a slot begins, within a layer's keys or values.
size_t RowOffset(CacheType type, int64_t head_dim, int64_t kv_head, int64_t slot) {
  return static_cast<size_t>(kv_head * kPageTokens + slot) * CacheBytes(type, head_dim);
}

const float* Widen(CacheType type, const std::byte* bytes, int64_t n, float* scratch) {
  if (type == CacheType::kF32) return reinterpret_cast<const float*>(bytes);
  LoadCacheRow(type, bytes, n, scratch);
  return scratch;
}

}  // namespace

void StoreKvToken(const StateLayout& layout, int64_t layer, std::byte* page, int64_t slot,
                  const float* key, const float* value) {
  const StateSpec& spec = layout.layers[static_cast<size_t>(layer)];
  std::byte* const keys = page + layout.offsets[static_cast<size_t>(layer)];
  std::byte* const values = keys + spec.key_bytes();
  for (int64_t head = 0; head < spec.num_kv_heads; ++head) {
    StoreCacheRow(spec.key_type, key + head * spec.head_dim, spec.head_dim,
                  keys + RowOffset(spec.key_type, spec.head_dim, head, slot));
    StoreCacheRow(spec.value_type, value + head * spec.head_dim, spec.head_dim,
                  values + RowOffset(spec.value_type, spec.head_dim, head, slot));
  }
}

int64_t KvTileScratch(const StateSpec& spec) {
  const bool exact = spec.key_type == CacheType::kF32 && spec.value_type == CacheType::kF32;
  return exact ? 0 : 2 * kPageTokens * spec.head_dim;
}

KvTile ReadKvTile(const StateLayout& layout, int64_t layer, const std::byte* page, int64_t kv_head,
                  int64_t rows, float* scratch) {
  const StateSpec& spec = layout.layers[static_cast<size_t>(layer)];
  const std::byte* const keys = page + layout.offsets[static_cast<size_t>(layer)];
  const std::byte* const values = keys + spec.key_bytes();
  const int64_t n = rows * spec.head_dim;
  float* const second = scratch == nullptr ? nullptr : scratch + kPageTokens * spec.head_dim;
  return {
      Widen(spec.key_type, keys + RowOffset(spec.key_type, spec.head_dim, kv_head, 0), n, scratch),
      Widen(spec.value_type, values + RowOffset(spec.value_type, spec.head_dim, kv_head, 0), n,
            second)};
}

}  // namespace moiety
