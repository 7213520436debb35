// Seeded values for tests: the same on every machine and in any order of tests.
#ifndef MOIETY_TESTS_SUPPORT_RANDOM_VALUES_H_
#define MOIETY_TESTS_SUPPORT_RANDOM_VALUES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/rng.h"

namespace moiety {

// `count` values, uniform in [-scale, scale).
inline std::vector<float> RandomValues(int64_t count, uint64_t seed, double scale = 1) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(scale * (2 * UniformDouble(seed, 0, i) - 1));
  }
  return values;
}

// The same with every fourth value replaced by an awkward one: ±0, subnormals, tiny and large ones
// whose products still fit f32.
inline std::vector<float> AwkwardValues(int64_t count, uint64_t seed, double scale = 1) {
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  constexpr std::array kAwkward = {0.0F,   -0.0F,   kTiny,   -3 * kTiny, 1e-39F, -1e-38F,
                                   1e-20F, -1e-20F, 3.1e12F, -2.7e12F,   1.0F,   -65504.0F};
  std::vector<float> values = RandomValues(count, seed, scale);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint32_t random = Philox(seed, {static_cast<uint32_t>(i), 1, 1, 1})[0];
    if (random % 4 == 0) values[i] = kAwkward[random / 4 % kAwkward.size()];
  }
  return values;
}

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_RANDOM_VALUES_H_
