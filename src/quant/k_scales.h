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
  uint32_t words[3];  // 4 parts at a time
  __builtin_memcpy(words, packed, sizeof(words));
  const uint32_t low6 = 0x3F3F3F3F;
  const uint32_t low4 = 0x0F0F0F0F;
  const uint32_t low2 = 0x03030303;
  const uint32_t scale_words[2] = {words[0] & low6, (words[2] & low4) | (words[0] >> 6 & low2)
                                                                            << 4};
  const uint32_t min_words[2] = {words[1] & low6, (words[2] >> 4 & low4) | (words[1] >> 6 & low2)
                                                                               << 4};
  int8_t scales_of_32[8];
  uint8_t mins_of_32[8];
  __builtin_memcpy(scales_of_32, scale_words, 8);
  __builtin_memcpy(mins_of_32, min_words, 8);
  Twice(scales_of_32, parts);
  Twice(mins_of_32, mins);
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
