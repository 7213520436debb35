// BlockFormat: one of GGML's ways to keep weights in few bits. A row is cut into blocks; a block
// has one or two scales and small integers. Each format is a file of its own in this folder.
#ifndef MOIETY_QUANT_BLOCK_FORMAT_H_
#define MOIETY_QUANT_BLOCK_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace moiety {

// Values of the longest block.
inline constexpr int64_t kMaxBlockValues = 256;
// Values that share an entry of IntegerBlock::mins.
inline constexpr int64_t kMinValues = 16;

// A block as integers: value i is scale · values[i] - min_scale · mins[i / 16]. What a format calls
// the scale of a part of the block is multiplied into the integers, exactly: |values[i]| ≤ 4096.
struct IntegerBlock {
  float scale;
  float min_scale;  // 0 for formats without minimums
  alignas(64) int16_t values[kMaxBlockValues];
  alignas(32) int16_t mins[kMaxBlockValues / kMinValues];  // not written by formats without them
};

struct BlockFormat {
  DType dtype;
  int64_t num_values;  // of a block; kernels know 32 and 256
  int64_t num_bytes;
  bool has_mins;

  void (*unpack)(const std::byte* block, IntegerBlock& out);
  // x [num_values], finite. importance [num_values] or null: how much an error in each value
  // counts, ≥ 0. The scales of `block` are finite whatever x is.
  void (*encode)(const float* x, const float* importance, std::byte* block);
};

// All formats. Null for a type that has no blocks.
std::span<const BlockFormat* const> BlockFormats();
const BlockFormat* BlockFormatOf(DType dtype);

// Blocks of n values, n a multiple of format.num_values, to f32: one rounding of each product and
// one of the difference.
void DecodeBlocks(const BlockFormat& format, const std::byte* blocks, int64_t n, float* y);

// x [n] to blocks; importance [n] or null.
void EncodeBlocks(const BlockFormat& format, const float* x, const float* importance, int64_t n,
                  std::byte* blocks);

}  // namespace moiety

#endif  // MOIETY_QUANT_BLOCK_FORMAT_H_
