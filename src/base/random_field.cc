#include "base/random_field.h"

#include <array>
#include <cmath>
#include <numbers>

#include "base/exact_math.h"
#include "base/rng.h"

namespace moiety {
namespace {

std::array<uint32_t, 4> Bits(uint64_t key, int64_t sequence, int64_t position, int64_t index) {
  return Philox(key, {static_cast<uint32_t>(index), static_cast<uint32_t>(position),
                      static_cast<uint32_t>(sequence), static_cast<uint32_t>(sequence >> 32)});
}

// 53 random bits, above 0 and below 1 if `open`.
double ToUniform(uint32_t high, uint32_t low, bool open) {
  const uint64_t bits = ((uint64_t{high} << 32) | low) >> 11;
  return (static_cast<double>(bits) + (open ? 0.5 : 0.0)) * 0x1p-53;
}

}  // namespace

RandomField::RandomField(uint64_t seed, int64_t step, uint32_t use, int64_t layer) {
  const std::array<uint32_t, 4> bits =
      Philox(seed, {static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32), use,
                    static_cast<uint32_t>(layer)});
  key_ = (uint64_t{bits[0]} << 32) | bits[1];
}

double RandomField::Uniform(int64_t sequence, int64_t position, int64_t index) const {
  const auto bits = Bits(key_, sequence, position, index);
  return ToUniform(bits[0], bits[1], false);
}

double RandomField::Normal(int64_t sequence, int64_t position, int64_t index) const {
  const auto bits = Bits(key_, sequence, position, index);
  const double radius = std::sqrt(-2 * ExactLog(ToUniform(bits[0], bits[1], true)));
  return radius * ExactCos(2 * std::numbers::pi * ToUniform(bits[2], bits[3], false));
}

}  // namespace moiety
