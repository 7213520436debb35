// Q8_0, GGML's block format of 8.5 bits per value: 32 values share an f16 scale d = max |x| / 127,
// and each is an int8 q with x ≈ d · q.
#ifndef MOIETY_QUANT_Q8_0_H_
#define MOIETY_QUANT_Q8_0_H_

#include <cstdint>

#include "quant/codes.h"
#include "tensor/dtype.h"

namespace moiety {

inline constexpr int64_t kQ8_0Values = 32;  // of one block

struct [[gnu::packed]] Q8_0Block {
  uint16_t scale;  // f16
  int8_t values[kQ8_0Values];
};
static_assert(sizeof(Q8_0Block) == 34, "the format has no padding");

// x [n], n a multiple of 32 → blocks [n / 32]. Each value is divided by the scale before that is
// rounded to f16, and rounded half away from zero, as GGML's reference does. A block with a value
// that is no number, or one too large for the scale (8.3 million), decodes to no numbers.
void EncodeQ8_0(const float* x, int64_t n, Q8_0Block* blocks);

// y = scale · q, one rounding. n a multiple of 32.
void DecodeQ8_0(const Q8_0Block* blocks, int64_t n, float* y);

struct Q8_0 {
  static constexpr DType kType = DType::kQ8_0;
  static constexpr int kValues = 32;
  static constexpr int kOffset = 128;
  static constexpr int kNumCodes = 256;
  static constexpr int kEqualParts = 2;
  static constexpr bool kHasMins = false;
  static constexpr bool kOddFirst = true;

  using Block = Q8_0Block;

  template <class L>
  MOIETY_INLINE static typename L::Floats Scale(const L& l) {
    return L::Half(l.Odd());
  }
  template <class L>
  MOIETY_INLINE static typename L::Words Codes(const L& l, int group) {
    return l.At(group) ^ 0x80808080U;
  }
};

}  // namespace moiety

#endif  // MOIETY_QUANT_Q8_0_H_
