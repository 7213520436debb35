// Activations to int8, as plain loops that compilers turn into vectors; see kernels_impl.h.
#ifndef MOIETY_KERNEL_NAMESPACE
#error "include from kernels_impl.h only"
#endif

namespace moiety {
namespace MOIETY_KERNEL_NAMESPACE {
namespace {

inline uint32_t BitsOf(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}

// N values of one scale.
template <int N>
inline void QuantizeBlock(const float* x, int8_t* values, float* scale, int16_t* sums) {
  uint32_t largest_bits = 0;  // of |x|: as integers they stand in the order of the values
  for (int i = 0; i < N; ++i) {
    const uint32_t bits = BitsOf(x[i]) & 0x7FFFFFFF;
    largest_bits = bits > largest_bits ? bits : largest_bits;
  }
  float largest;
  __builtin_memcpy(&largest, &largest_bits, sizeof(largest));
  const bool finite = largest_bits < 0x7F800000;
  const bool zero = !finite || largest < kLeastQuantized;
  *scale = !finite ? __builtin_nanf("") : zero ? 0.0F : largest / 127.0F;
  if (zero) {
    for (int i = 0; i < N; ++i) values[i] = 0;
    for (int i = 0; i < BlockSums(N); ++i) sums[i] = 0;
    return;
  }
  // Adding 1.5 · 2^23 rounds to an integer, ties to even, which then stands in the low bits.
  constexpr float kRound = 12582912.0F;
  const float inverse = 127.0F / largest;
  for (int part = 0; part < N / kPartValues; ++part) {
    int32_t sum = 0;
    for (int i = part * kPartValues; i < (part + 1) * kPartValues; ++i) {
      const auto value = static_cast<int32_t>(BitsOf(x[i] * inverse + kRound) - BitsOf(kRound));
      values[i] = static_cast<int8_t>(value);
      sum += value;
    }
    sums[part] = static_cast<int16_t>(sum);
  }
  for (int i = N / kPartValues; i < BlockSums(N); ++i) {
    const int16_t* two = sums + 2 * (i - N / kPartValues);
    sums[i] = static_cast<int16_t>(two[0] + two[1]);
  }
}

void QuantizeRows(const QuantizeArgs& a) {
  for (int64_t row = 0; row < a.rows; ++row) {
    const float* x = a.x + row * a.x_stride;
    int8_t* values = a.values + row * a.depth;
    int16_t* sums = a.sums + row * (a.depth / a.block_values) * BlockSums(a.block_values);
    float* scales = a.scales + row * (a.depth / a.block_values);
    for (int64_t k = 0; k < a.depth;
         k += a.block_values, ++scales, sums += BlockSums(a.block_values)) {
      if (a.block_values == 32) {
        QuantizeBlock<32>(x + k, values + k, scales, sums);
      } else {
        QuantizeBlock<256>(x + k, values + k, scales, sums);
      }
    }
  }
}

}  // namespace
}  // namespace MOIETY_KERNEL_NAMESPACE
}  // namespace moiety
