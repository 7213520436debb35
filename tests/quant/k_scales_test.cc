#include "quant/k_scales.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

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
    uint32_t words[3];
    std::memcpy(words, packed, sizeof(words));
    for (int i = 0; i < 8; ++i) {
      ASSERT_EQ(KScale(words[0], words[2], i), scales.scales[i]);
      ASSERT_EQ(KScale(words[1], words[2] >> 4, i), scales.minimums[i]);
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
