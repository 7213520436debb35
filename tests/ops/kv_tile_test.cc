#include "ops/kv_tile.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/bits.h"
#include "support/random_values.h"

namespace moiety {
namespace {

constexpr int64_t kHeadDim = 32;
constexpr int64_t kHeads = 3;

std::vector<float> Rounded(CacheType type, const float* x) {
  std::vector<std::byte> bytes(CacheBytes(type, kHeadDim));
  std::vector<float> y(kHeadDim);
  StoreCacheRow(type, x, kHeadDim, bytes.data());
  LoadCacheRow(type, bytes.data(), kHeadDim, y.data());
  return y;
}

TEST(KvTile, ReadsWhatWasStored) {
  for (const CacheType key_type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0}) {
    for (const CacheType value_type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0}) {
      const StateSpec spec = {.num_kv_heads = kHeads,
                              .head_dim = kHeadDim,
                              .key_type = key_type,
                              .value_type = value_type};
      const StateLayout layout({spec, spec});
      std::vector<float> memory(layout.page_bytes / sizeof(float));
      auto* const page = reinterpret_cast<std::byte*>(memory.data());
      constexpr int64_t kRows = 41;
      const std::vector<float> keys = RandomValues(kRows * kHeads * kHeadDim, 1);
      const std::vector<float> values = RandomValues(kRows * kHeads * kHeadDim, 2);
      for (int64_t slot = 0; slot < kRows; ++slot) {
        StoreKvToken(layout, 1, page, slot, &keys[static_cast<size_t>(slot * kHeads * kHeadDim)],
                     &values[static_cast<size_t>(slot * kHeads * kHeadDim)]);
      }
      const bool exact = key_type == CacheType::kF32 && value_type == CacheType::kF32;
      EXPECT_EQ(KvTileScratch(spec) == 0, exact);
      std::vector<float> scratch(static_cast<size_t>(KvTileScratch(spec)));
      for (int64_t head = 0; head < kHeads; ++head) {
        const KvTile tile =
            ReadKvTile(layout, 1, page, head, kRows, scratch.empty() ? nullptr : scratch.data());
        for (int64_t slot = 0; slot < kRows; ++slot) {
          const auto at = static_cast<size_t>((slot * kHeads + head) * kHeadDim);
          EXPECT_TRUE(
              SameBits({tile.keys + slot * kHeadDim, kHeadDim}, Rounded(key_type, &keys[at])));
          EXPECT_TRUE(SameBits({tile.values + slot * kHeadDim, kHeadDim},
                               Rounded(value_type, &values[at])));
        }
      }
    }
  }
}

}  // namespace
}  // namespace moiety
