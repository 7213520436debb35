// How keys and values are kept.
#ifndef MOIETY_CACHE_TYPE_H_
#define MOIETY_CACHE_TYPE_H_

#include <cstdint>

namespace moiety {

// Keys and values are rounded once, when they are stored, so that results of any type depend
// neither on chunks nor on what else is computed. Bytes per value: 4, 2, 34/32.
enum class CacheType : uint8_t {
  kF32,   // exact
  kF16,   // 11 bits of precision, values up to 65504
  kQ8_0,  // GGML's Q8_0: 8 bits, a scale per 32 values; needs a head_dim divisible by 32
};

}  // namespace moiety

#endif  // MOIETY_CACHE_TYPE_H_
