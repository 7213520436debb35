// BlockFormat: one of GGML's ways to keep weights in few bits. A row is cut into blocks; a block
// has one or two scales and small integers. Each format is a file of its own in this folder.
#ifndef MOIETY_QUANT_BLOCK_FORMAT_H_
#define MOIETY_QUANT_BLOCK_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace moiety {

// Values of the longest block, and those that share a factor or a minimum.
inline constexpr int64_t kMaxBlockValues = 256;
inline constexpr int64_t kPartValues = 16;
inline constexpr int64_t kMaxParts = kMaxBlockValues / kPartValues;

struct BlockFormat {
  // Blocks of n values, n a multiple of num_values, to f32: one rounding of each product and one of
  // the difference.
  using Decode = void(const std::byte* blocks, int64_t n, float* y);
  // A block of x [num_values], finite. importance [num_values] or null: how much an error in each
  // value counts, ≥ 0. The scales of `block` are finite whatever x is.
  using Encode = void(const float* x, const float* importance, std::byte* block);

  DType dtype;
  int64_t num_values;  // of a block: 32 or 256
  int64_t num_bytes;
  int64_t head_bytes;  // that come before a whole number of 4-byte words
  Decode* decode;
  Encode* encode;
};

// All formats. Null for a type that has no blocks.
std::span<const BlockFormat* const> BlockFormats();
const BlockFormat* BlockFormatOf(DType dtype);

// x [n] to blocks; importance [n] or null.
void EncodeBlocks(const BlockFormat& format, const float* x, const float* importance, int64_t n,
                  std::byte* blocks);

}  // namespace moiety

#endif  // MOIETY_QUANT_BLOCK_FORMAT_H_
