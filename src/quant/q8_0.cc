#include "quant/q8_0.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/formats.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

constexpr uint16_t kF16NaN = 0x7E00;
constexpr uint16_t kF16Infinity = 0x7C00;

void EncodeBlock(const float* x, Q8_0Block& block) {
  float largest = 0;
  bool finite = true;
  for (int64_t i = 0; i < kQ8_0Values; ++i) {
    finite = finite && std::isfinite(x[i]);
    largest = std::max(largest, std::fabs(x[i]));
  }
  const float scale = largest / 127.0F;
  const float inverse = scale == 0 ? 0 : 1.0F / scale;
  block.scale = finite ? F32ToF16(scale) : kF16NaN;
  if (block.scale == kF16Infinity) block.scale = kF16NaN;
  // A scale so small that its inverse overflows is 0 as f16: so are the values.
  if (!finite || !std::isfinite(inverse)) {
    std::fill_n(block.values, kQ8_0Values, int8_t{0});
    return;
  }
  for (int64_t i = 0; i < kQ8_0Values; ++i) {
    block.values[i] = static_cast<int8_t>(std::round(x[i] * inverse));
  }
}

}  // namespace

void EncodeQ8_0(const float* x, int64_t n, Q8_0Block* blocks) {
  for (int64_t i = 0; i < n; i += kQ8_0Values) EncodeBlock(x + i, blocks[i / kQ8_0Values]);
}

void DecodeQ8_0(const Q8_0Block* blocks, int64_t n, float* y) {
  for (int64_t b = 0; b < n / kQ8_0Values; ++b) {
    const float scale = F16ToF32(blocks[b].scale);
    for (int64_t i = 0; i < kQ8_0Values; ++i) {
      y[b * kQ8_0Values + i] = scale * static_cast<float>(blocks[b].values[i]);
    }
  }
}

namespace {

// Every rounding is as good as 8 bits allow: importance changes nothing.
void Encode(const float* x, const float* /*importance*/, std::byte* bytes) {
  constexpr float kLargest = 127 * 65504.0F;  // with the largest scale
  float clamped[kQ8_0Values];
  std::transform(x, x + kQ8_0Values, clamped,
                 [&](float value) { return std::clamp(value, -kLargest, kLargest); });
  Q8_0Block block;
  EncodeBlock(clamped, block);
  std::memcpy(bytes, &block, sizeof(block));
}

}  // namespace

const BlockFormat kFormatQ8_0 = MakeFormat<Q8_0>(Encode);

}  // namespace moiety
