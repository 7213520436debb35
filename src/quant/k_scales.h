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
  uint64_t scales_and_mins;  // of the first four, and two bits of the last four
  uint32_t last;
  __builtin_memcpy(&scales_and_mins, packed, sizeof(scales_and_mins));
  __builtin_memcpy(&last, packed + 8, sizeof(last));
  constexpr uint64_t kSix = 0x3F3F3F3F3F3F3F3F;
  constexpr uint32_t kFour = 0x0F0F0F0F;
  constexpr uint64_t kTwo = 0x0303030303030303;
  const uint64_t first = scales_and_mins & kSix;
  const uint64_t high = (scales_and_mins >> 6 & kTwo) << 4;
  const uint64_t last_scales = (last & kFour) | (high & 0xFFFFFFFF);
  const uint64_t last_mins = (last >> 4 & kFour) | high >> 32;
  StoreBytes(Twice((first & 0xFFFFFFFF) | last_scales << 32), parts);
  StoreBytes(Twice(first >> 32 | last_mins << 32), mins);
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
