#include "quant/k_scales.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/random_values.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

TEST(KScales, PackAndUnpackAreInverse) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    KScales scales;
    for (unsigned i = 0; i < 8; ++i) {
      scales.scales[i] = static_cast<uint8_t>((seed * 37 + i * 11) % 64);
      scales.minimums[i] = static_cast<uint8_t>((seed * 53 + i * 29 + 7) % 64);
    }
    uint8_t packed[12];
    PackKScales(scales, packed);
    int8_t parts[16];
    uint8_t mins[16];
    UnpackKScales(packed, parts, mins);
    for (int i = 0; i < 16; ++i) {
      ASSERT_EQ(parts[i], scales.scales[i / 2]);
      ASSERT_EQ(mins[i], scales.minimums[i / 2]);
    }
  }
}

TEST(KScales, AFitIsNear) {
  const std::vector<float> x = RandomValues(256, 5);
  const KFit fit = FitK(x.data(), nullptr, 31);
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_LE(fit.q[i], 31);
    const float value = F16ToF32(fit.scale) * static_cast<float>(fit.parts.scales[i / 32]) *
                            static_cast<float>(fit.q[i]) -
                        F16ToF32(fit.min_scale) * static_cast<float>(fit.parts.minimums[i / 32]);
    ASSERT_NEAR(value, x[i], 0.05F);
  }
}

}  // namespace
}  // namespace moiety
