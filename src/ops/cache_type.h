// Rows of keys or values in each of the types that a KV cache can have.
#ifndef MOIETY_OPS_CACHE_TYPE_H_
#define MOIETY_OPS_CACHE_TYPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "moiety/cache_type.h"

namespace moiety {

// "f32", "f16", "q8_0": the names of llama.cpp.
std::string_view CacheTypeName(CacheType type);
std::optional<CacheType> CacheTypeFromName(std::string_view name);
// All of them, for messages: "f32, f16, q8_0".
std::string CacheTypeNames();

// A row has a whole number of blocks of this many values.
int64_t CacheBlockValues(CacheType type);
// Bytes of `n` values, n a multiple of the block.
size_t CacheBytes(CacheType type, int64_t n);

// x [n] → bytes [CacheBytes(type, n)].
void StoreCacheRow(CacheType type, const float* x, int64_t n, std::byte* bytes);
// The other way round: exact for f32 and f16. y must not overlap `bytes`.
void LoadCacheRow(CacheType type, const std::byte* bytes, int64_t n, float* y);

}  // namespace moiety

#endif  // MOIETY_OPS_CACHE_TYPE_H_
