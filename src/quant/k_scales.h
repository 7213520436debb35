// What K formats share. Q4_K and Q5_K have 8 parts of 32 values, each with a scale and a minimum of
// 6 bits; Q3_K and Q6_K have 16 parts of 16 values, each with a scale.
#ifndef MOIETY_QUANT_K_SCALES_H_
#define MOIETY_QUANT_K_SCALES_H_

#include <cstdint>

namespace moiety {

struct KScales {
  uint8_t scales[8];    // [0, 63]
  uint8_t minimums[8];  // [0, 63]
};

// 12 bytes: of the first four parts, 6 bits of the scales and then of the minimums; then, of the
// last four, the low halves (scale, minimum), whose two high bits are the high bits of the bytes
// before.
KScales UnpackKScales(const uint8_t* packed);
void PackKScales(const KScales& scales, uint8_t* packed);

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
