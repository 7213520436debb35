#include "ops/cache_type.h"

#include <array>
#include <bit>
#include <cstring>

#include "quant/q8_0.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

void StoreF32(const float* x, int64_t n, std::byte* bytes) {
  std::memcpy(bytes, x, static_cast<size_t>(n) * sizeof(float));
}
void LoadF32(const std::byte* bytes, int64_t n, float* y) {
  std::memcpy(y, bytes, static_cast<size_t>(n) * sizeof(float));
}

void StoreF16(const float* x, int64_t n, std::byte* bytes) {
  auto* const to = reinterpret_cast<uint16_t*>(bytes);
  for (int64_t i = 0; i < n; ++i) to[i] = F32ToF16(x[i]);
}
// What F16ToF32 does, without branches, so that compilers make vector code of it: the exponent is
// corrected by an exact product, which also normalises subnormals.
void LoadF16(const std::byte* bytes, int64_t n, float* y) {
  const auto* const from = reinterpret_cast<const uint16_t*>(bytes);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t half = from[i];
    const float magnitude = std::bit_cast<float>((half & 0x7FFFU) << 13) * 0x1p112F;
    const uint32_t special = (half & 0x7C00U) == 0x7C00U ? 0x7F800000U : 0;
    y[i] =
        std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special | (half & 0x8000U) << 16);
  }
}

void StoreQ8_0(const float* x, int64_t n, std::byte* bytes) {
  EncodeQ8_0(x, n, reinterpret_cast<Q8_0Block*>(bytes));
}
void LoadQ8_0(const std::byte* bytes, int64_t n, float* y) {
  DecodeQ8_0(reinterpret_cast<const Q8_0Block*>(bytes), n, y);
}

struct TypeRow {
  CacheType type;
  std::string_view name;
  int64_t block_values;
  size_t block_bytes;
  void (*store)(const float* x, int64_t n, std::byte* bytes);
  void (*load)(const std::byte* bytes, int64_t n, float* y);
};

constexpr std::array kRows = {
    TypeRow{CacheType::kF32, "f32", 1, sizeof(float), StoreF32, LoadF32},
    TypeRow{CacheType::kF16, "f16", 1, sizeof(uint16_t), StoreF16, LoadF16},
    TypeRow{CacheType::kQ8_0, "q8_0", kQ8_0Values, sizeof(Q8_0Block), StoreQ8_0, LoadQ8_0},
};

const TypeRow& Row(CacheType type) { return kRows[static_cast<size_t>(type)]; }

}  // namespace

std::string_view CacheTypeName(CacheType type) { return Row(type).name; }

std::optional<CacheType> CacheTypeFromName(std::string_view name) {
  for (const TypeRow& row : kRows) {
    if (row.name == name) return row.type;
  }
  return std::nullopt;
}

std::string CacheTypeNames() {
  std::string names;
  for (const TypeRow& row : kRows) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

int64_t CacheBlockValues(CacheType type) { return Row(type).block_values; }

size_t CacheBytes(CacheType type, int64_t n) {
  return static_cast<size_t>(n / Row(type).block_values) * Row(type).block_bytes;
}

void StoreCacheRow(CacheType type, const float* x, int64_t n, std::byte* bytes) {
  Row(type).store(x, n, bytes);
}

void LoadCacheRow(CacheType type, const std::byte* bytes, int64_t n, float* y) {
  Row(type).load(bytes, n, y);
}

}  // namespace moiety
