// The block formats, one per file; see BlockFormats().
#ifndef MOIETY_QUANT_FORMATS_H_
#define MOIETY_QUANT_FORMATS_H_

#include <cstring>

#include "quant/block_format.h"
#include "quant/codes.h"
#include "quant/panels.h"

namespace moiety {

// A block as lanes of its own; see codes.h. `stride` lies between its words.
template <class F>
struct PlainLane {
  using Words = uint32_t;
  using Floats = float;

  const std::byte* words;
  const std::byte* odd;
  int64_t stride;

  explicit PlainLane(const std::byte* block)
      : words(block + kHeadBytes<F>),
        odd(block + (kHeadBytes<F> != 0 ? 0 : 4 * kBlockWords<F>)),
        stride(4) {}
  PlainLane(const std::byte* words_at, const std::byte* odd_at, int64_t stride_bytes)
      : words(words_at), odd(odd_at), stride(stride_bytes) {}

  uint32_t At(int i) const {
    uint32_t word;
    std::memcpy(&word, words + i * stride, sizeof(word));
    return word;
  }
  uint32_t Odd() const {
    uint32_t bits = 0;
    for (int i = 0; i < kOddBytes<F>; ++i) bits |= static_cast<uint32_t>(odd[i]) << (8 * i);
    return bits;
  }
  static float Half(uint32_t bits) { return F16ToF32(static_cast<uint16_t>(bits & 0xFFFF)); }
  static float FromBits(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
  static uint32_t LookUp(const uint8_t* table, uint32_t indices) {
    uint32_t found = 0;
    for (int i = 0; i < 32; i += 8) found |= uint32_t{table[indices >> i & 15]} << i;
    return found;
  }
  static int32_t Signed(uint32_t word) { return static_cast<int32_t>(word); }
  static uint32_t Below(uint32_t word, uint32_t n) { return word < n ? ~0U : 0U; }
};

// The blocks of a matrix, one at a time.
template <class F>
class BlocksOfMatrix {
 public:
  BlocksOfMatrix(const std::byte* bytes, BlockLayout layout, int64_t outputs, int64_t row_blocks)
      : bytes_(bytes),
        row_blocks_(row_blocks),
        in_panels_(layout == BlockLayout::kPanels ? outputs / kPanelOutputs * kPanelOutputs : 0) {}

  PlainLane<F> At(int64_t output, int64_t block) const {
    constexpr auto kBlockBytes = static_cast<int64_t>(sizeof(typename F::Block));
    if (output >= in_panels_) {
      return PlainLane<F>(bytes_ + (output * row_blocks_ + block) * kBlockBytes);
    }
    constexpr int64_t kWordBytes = 4 * kPanelOutputs;
    const int64_t lane = output % kPanelOutputs;
    const std::byte* panel = bytes_ + (output - lane) * row_blocks_ * kBlockBytes;
    return {panel + block * kBlockWords<F> * kWordBytes + lane * 4,
            panel + row_blocks_ * kBlockWords<F> * kWordBytes +
                (block * kPanelOutputs + lane) * kOddBytes<F>,
            kWordBytes};
  }

 private:
  const std::byte* bytes_;
  int64_t row_blocks_;
  int64_t in_panels_;  // outputs
};

template <class F>
void Unpack(const PlainLane<F>& lane, Codes& out) {
  out.scale = F::Scale(lane);
  if constexpr (F::kHasMins) out.min_scale = F::MinScale(lane);
  for (int p = 0; p < F::kValues / kPartValues; ++p) {
    if constexpr (F::kValues == kMaxBlockValues) {
      out.parts[p] = static_cast<int8_t>(F::Part(lane, p / F::kEqualParts));
    }
    if constexpr (F::kHasMins) {
      out.mins[p] = static_cast<uint8_t>(F::Min(lane, p / F::kEqualParts));
    }
  }
  for (int group = 0; group < F::kValues / 4; ++group) {
    const uint32_t four = F::Codes(lane, group);
    for (int i = 0; i < 4; ++i) {
      out.codes[4 * group + i] = static_cast<uint8_t>(four >> (8 * i) & 255);
    }
  }
}

// Decodes blocks of format F; see BlockFormat::decode.
template <class F>
void DecodeBlocks(const std::byte* blocks, int64_t n, float* y) {
  Codes codes;
  for (int64_t first = 0; first < n; first += F::kValues, blocks += sizeof(typename F::Block)) {
    Unpack(PlainLane<F>(blocks), codes);
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
  return {F::kType, F::kValues, sizeof(typename F::Block), kHeadBytes<F>, DecodeBlocks<F>, encode};
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
