// The block formats, one per file; see BlockFormats().
#ifndef MOIETY_QUANT_FORMATS_H_
#define MOIETY_QUANT_FORMATS_H_

#include <cstring>

#include "quant/block_format.h"
#include "quant/codes.h"

namespace moiety {

// Conversions of any processor; see codes.h.
struct PlainIsa {
  MOIETY_INLINE static float Half(uint16_t bits) { return F16ToF32(bits); }
  MOIETY_INLINE static Bytes32 LookUp(const uint8_t* table, Bytes32 indices) {
    Bytes32 found;
    for (int i = 0; i < 32; ++i) found[i] = table[indices[i]];
    return found;
  }
};

// Decodes blocks of format F; see BlockFormat::decode.
template <class F>
void DecodeBlocks(const std::byte* blocks, int64_t n, float* y) {
  Codes codes;
  for (int64_t first = 0; first < n; first += F::kValues, blocks += sizeof(typename F::Block)) {
    typename F::Block block;
    std::memcpy(&block, blocks, sizeof(block));
    F::template Unpack<PlainIsa>(block, codes);
    for (int64_t i = 0; i < F::kValues; ++i) {
      const int64_t part = i / kPartValues;
      const int factor = F::kValues == kMaxBlockValues ? codes.parts[part] : 1;
      const float value = codes.scale * static_cast<float>(factor * (codes.codes[i] - F::kOffset));
      if constexpr (F::kHasMins) {
        y[first + i] = value - codes.min_scale * static_cast<float>(codes.mins[part]);
      } else {
        y[first + i] = value;
      }
    }
  }
}

template <class F>
constexpr BlockFormat MakeFormat(BlockFormat::Encode* encode) {
  return {F::kType, F::kValues, sizeof(typename F::Block), DecodeBlocks<F>, encode};
}

// 32 values and one scale, or a scale and a minimum.
extern const BlockFormat kFormatQ4_0;
extern const BlockFormat kFormatQ4_1;
extern const BlockFormat kFormatQ5_0;
extern const BlockFormat kFormatQ5_1;
extern const BlockFormat kFormatQ8_0;
// 256 values; parts of 16 or 32 have a scale (and a minimum) of a few bits, in units of the
// block's.
extern const BlockFormat kFormatQ2K;
extern const BlockFormat kFormatQ3K;
extern const BlockFormat kFormatQ4K;
extern const BlockFormat kFormatQ5K;
extern const BlockFormat kFormatQ6K;
// 4 bits that choose from 16 values which do not lie evenly.
extern const BlockFormat kFormatIq4Nl;  // 32
extern const BlockFormat kFormatIq4Xs;  // 256
extern const BlockFormat kFormatMxfp4;  // 32; Open Compute Project, Microscaling Formats 1.0

}  // namespace moiety

#endif  // MOIETY_QUANT_FORMATS_H_
