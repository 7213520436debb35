#include "quant/block_format.h"

#include "quant/formats.h"

namespace moiety {

std::span<const BlockFormat* const> BlockFormats() {
  static constexpr const BlockFormat* kFormats[] = {
      &kFormatQ4_0,  &kFormatQ4_1,  &kFormatQ5_0, &kFormatQ5_1, &kFormatQ8_0,
      &kFormatQ2K,   &kFormatQ3K,   &kFormatQ4K,  &kFormatQ5K,  &kFormatQ6K,
      &kFormatIq4Nl, &kFormatIq4Xs, &kFormatMxfp4};
  return kFormats;
}

const BlockFormat* BlockFormatOf(DType dtype) {
  for (const BlockFormat* format : BlockFormats()) {
    if (format->dtype == dtype) return format;
  }
  return nullptr;
}

void EncodeBlocks(const BlockFormat& format, const float* x, const float* importance, int64_t n,
                  std::byte* blocks) {
  for (int64_t first = 0; first < n; first += format.num_values, blocks += format.num_bytes) {
    format.encode(x + first, importance == nullptr ? nullptr : importance + first, blocks);
  }
}

}  // namespace moiety
