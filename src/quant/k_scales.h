// What K formats share. Q4_K and Q5_K have 8 parts of 32 values, each with a scale and a minimum of
// 6 bits; Q3_K and Q6_K have 16 parts of 16 values, each with a scale.
#ifndef MOIETY_QUANT_K_SCALES_H_
#define MOIETY_QUANT_K_SCALES_H_

#include <cstdint>

#include "quant/codes.h"

namespace moiety {

struct KScales {
  uint8_t scales[8];    // [0, 63]
  uint8_t minimums[8];  // [0, 63]
};

// In 12 bytes: of the first four parts, 6 bits of the scales and then of the minimums; then, of the
// last four, the low halves (scale, minimum), whose two high bits are the high bits of the bytes
// before.
void PackKScales(const KScales& scales, uint8_t* packed);
// As the parts and mins [16] of Codes.
MOIETY_INLINE void UnpackKScales(const uint8_t* packed, int8_t* parts, uint8_t* mins) {
  using Words2 [[gnu::vector_size(8)]] = uint32_t;
  Words2 first;  // of the first four scales and minimums, and two bits of the last four
  uint32_t last;
  __builtin_memcpy(&first, packed, sizeof(first));
  __builtin_memcpy(&last, packed + 8, sizeof(last));
  const Words2 low = first & 0x3F3F3F3F;
  const Words2 high = (first >> 2 & 0x30303030) | (Words2{last, last >> 4} & 0x0F0F0F0F);
  const auto all = (Bytes16)__builtin_shufflevector(low, high, 0, 2, 1, 3);
  StoreBytes(__builtin_shufflevector(all, all, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7),
             parts);
  StoreBytes(
      __builtin_shufflevector(all, all, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15),
      mins);
}

// 256 values to q in [0, high]: x ≈ d · scale · q - dmin · minimum.
struct KFit {
  uint16_t scale;      // d, f16
  uint16_t min_scale;  // dmin, f16
  KScales parts;
  uint8_t q[256];
};
KFit FitK(const float* x, const float* importance, int high);

// 256 values to q in [low, high]: x ≈ d · scale · q, scales in [-least_scale, least_scale - 1].
struct SymmetricKFit {
  uint16_t scale;  // d, f16
  int8_t parts[16];
  int8_t q[256];
};
SymmetricKFit FitSymmetricK(const float* x, const float* importance, int low, int high,
                            int least_scale);

}  // namespace moiety

#endif  // MOIETY_QUANT_K_SCALES_H_
