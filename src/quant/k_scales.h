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
// Scale p of 8, from the first and the last 4 bytes; for a minimum, the second and the high halves
// of the last.
template <class Words>
MOIETY_INLINE Words KScale(Words first, Words last, int p) {
  if (p < 4) return first >> (8 * p) & 63;
  return (last >> (8 * p - 32) & 15) | (first >> (8 * p - 26) & 3) << 4;
}

// What the first four words of Q4_K and Q5_K say.
struct KParts {
  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::Half(l.At(0));
  }
  template <class L>
  MOIETY_INLINE static typename L::Floats MinScale(const L& l) {
    return L::Half(l.At(0) >> 16);
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Part(const L& l, int p) {
    return KScale(l.At(1), l.At(3), p);
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Min(const L& l, int p) {
    return KScale(l.At(2), l.At(3) >> 4, p);
  }
};

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
