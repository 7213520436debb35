// Codes: a block of any format as the integers that it holds; what products of blocks start from.
//
// Each format's header has its layout and its Unpack(), which every instruction set compiles for
// itself: hence always inline, plain loops over bytes, and nothing of the standard library.
#ifndef MOIETY_QUANT_CODES_H_
#define MOIETY_QUANT_CODES_H_

#include <cstddef>
#include <cstdint>

#define MOIETY_INLINE [[gnu::always_inline]] inline

namespace moiety {

// Values of the longest block, and those that share an entry of Codes::parts.
inline constexpr int64_t kMaxBlockValues = 256;
inline constexpr int64_t kPartValues = 16;
inline constexpr int64_t kMaxParts = kMaxBlockValues / kPartValues;

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
//   Block: the bytes
//   Unpack(half, block, out): `half` converts the bits of an f16

// Low and high halves of n bytes.
MOIETY_INLINE void UnpackNibbles(const uint8_t* bytes, int n, uint8_t* low, uint8_t* high) {
  for (int i = 0; i < n; ++i) {
    low[i] = bytes[i] & 15;
    high[i] = static_cast<uint8_t>(bytes[i] >> 4);
  }
}

// Adds the fifth bits, bit i of `bits` for code i, to 32 codes.
MOIETY_INLINE void AddFifthBits(const uint8_t* bits, uint8_t* codes) {
  for (int byte = 0; byte < 4; ++byte) {
    for (int i = 0; i < 8; ++i) {
      codes[8 * byte + i] = static_cast<uint8_t>(codes[8 * byte + i] | (bits[byte] >> i & 1) << 4);
    }
  }
}

// Parts of 32 values are two of 16.
template <class T>
MOIETY_INLINE void Twice(const T* of_32, T* of_16) {
  for (int i = 0; i < 8; ++i) of_16[2 * i] = of_16[2 * i + 1] = of_32[i];
}

}  // namespace moiety

#endif  // MOIETY_QUANT_CODES_H_
