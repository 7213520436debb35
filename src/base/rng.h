// Counter-based random numbers: the n-th number of a stream is a function of (seed, counter), so it
// does not depend on threads, batches or on what was drawn before.
#ifndef MOIETY_BASE_RNG_H_
#define MOIETY_BASE_RNG_H_

#include <array>
#include <cstdint>

namespace moiety {

// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).
inline std::array<uint32_t, 4> Philox(uint64_t seed, std::array<uint32_t, 4> counter) {
  auto key0 = static_cast<uint32_t>(seed);
  auto key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(a)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// Uniform in [0, 1) with 53 random bits.
inline double UniformDouble(uint64_t seed, uint64_t stream, uint64_t position) {
  const std::array<uint32_t, 4> bits =
      Philox(seed, {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32),
                    static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)});
  return static_cast<double>(((uint64_t{bits[0]} << 32) | bits[1]) >> 11) * 0x1p-53;
}

}  // namespace moiety

#endif  // MOIETY_BASE_RNG_H_
