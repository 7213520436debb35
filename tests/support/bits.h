// Exact comparison of results: same bits, not "close".
#ifndef MOIETY_TESTS_SUPPORT_BITS_H_
#define MOIETY_TESTS_SUPPORT_BITS_H_

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/matrix.h"

namespace moiety {

inline uint32_t Bits(float value) { return std::bit_cast<uint32_t>(value); }

// Both spans hold the same bits, so 0 and -0 differ. Only NaNs are equal whatever their payload:
// which one an operation returns is up to the processor.
inline testing::AssertionResult SameBits(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) {
    return testing::AssertionFailure() << a.size() << " values and " << b.size();
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (Bits(a[i]) == Bits(b[i]) || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    return testing::AssertionFailure()
           << std::hexfloat << "at " << i << ": " << a[i] << " and " << b[i];
  }
  return testing::AssertionSuccess();
}

inline std::span<const float> Values(const Matrix& m) {
  return {m.data, static_cast<size_t>(m.size())};
}
inline std::vector<float> Copy(const Matrix& m) { return {m.data, m.data + m.size()}; }

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_BITS_H_
