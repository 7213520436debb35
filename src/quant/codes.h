// Codes: a block of any format as the integers that it holds; what products of blocks start from.
//
// Each format's header has its layout and its Unpack(), which every instruction set compiles for
// itself: hence always inline, vectors of bytes instead of loops, and nothing of the standard
// library.
#ifndef MOIETY_QUANT_CODES_H_
#define MOIETY_QUANT_CODES_H_

#include <cstddef>
#include <cstdint>

#include "quant/block_format.h"

#define MOIETY_INLINE [[gnu::always_inline]] inline

namespace moiety {

// Value i is scale · parts[i / 16] · (codes[i] - offset of the format)
//            - min_scale · mins[i / 16].
struct Codes {
  float scale;
  float min_scale;  // not written by formats without minimums
  alignas(64) uint8_t codes[kMaxBlockValues];
  alignas(16) int8_t parts[kMaxParts];  // not written by formats of 32 values: 1
  alignas(16) uint8_t mins[kMaxParts];  // not written by formats without minimums
};

// A format is a type with
//
//   kType, kValues (32 or 256), kOffset, kNumCodes: codes are below it
//   kEqualParts: parts of neighbours that are the same number (2: a part has 32 values)
//   kHasMins
//   Block: the bytes, of any alignment
//   Unpack<Isa>(block, out): Isa::Half(bits) converts an f16, Isa::LookUp(table [16], indices)
//     takes entries of a table. Codes are stored 32 at a time: so they are loaded again.

using Bytes8 [[gnu::vector_size(8)]] = uint8_t;
using Bytes16 [[gnu::vector_size(16)]] = uint8_t;
using Bytes32 [[gnu::vector_size(32)]] = uint8_t;

template <class V>
MOIETY_INLINE V LoadBytes(const uint8_t* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
template <class V, class T>
MOIETY_INLINE void StoreBytes(V v, T* p) {
  __builtin_memcpy(p, &v, sizeof(v));
}

// The low halves of 16 bytes, then the high ones.
MOIETY_INLINE Bytes32 Nibbles(const uint8_t* bytes) {
  const auto v = LoadBytes<Bytes16>(bytes);
  return __builtin_shufflevector(static_cast<Bytes16>(v & 15), static_cast<Bytes16>(v >> 4), 0, 1,
                                 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                                 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}

// The fifth bits of 32 codes, bit i of `bits` that of code i, as codes of their own.
MOIETY_INLINE Bytes32 FifthBits(const uint8_t* bits) {
  using Words [[gnu::vector_size(32)]] = uint64_t;
  constexpr uint64_t kEight = 0x0101010101010101;
  constexpr uint64_t kEach = 0x8040201008040201;  // another bit of each of the eight
  const Words words = {bits[0] * kEight, bits[1] * kEight, bits[2] * kEight, bits[3] * kEight};
  const auto set = (Bytes32)(words & kEach);
  return (Bytes32)(set != 0) & 16;
}

// Of 8 parts of 32 values, 16 of 16.
MOIETY_INLINE Bytes16 Twice(uint64_t eight) {
  const auto v = (Bytes8)eight;
  return __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
}

}  // namespace moiety

#endif  // MOIETY_QUANT_CODES_H_
