#include "store/random_weights.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/rng.h"

namespace moiety {
namespace {

constexpr int64_t kPerDraw = 8;                 // 16 of the 128 bits of a draw for each value
constexpr int64_t kPerTask = int64_t{1} << 16;  // values; a multiple of kPerDraw
constexpr int kNumValues = 1 << 16;

// The values of a uniform distribution, whose half width is √3 standard deviations; none is 0.
struct Uniform {
  float step;
  explicit Uniform(float standard_deviation) : step(standard_deviation * 1.7320508F / 32768) {}
  float operator()(uint32_t bits) const { return (static_cast<float>(bits) - 32767.5F) * step; }
};

// FNV-1a of the name: the number of the weight's stream.
uint64_t StreamOf(std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return hash;
}

// value(bits) gives the element for 16 random bits.
template <class T, class Value>
void Fill(ThreadPool& pool, uint64_t seed, uint64_t stream, int64_t count, std::byte* to,
          const Value& value) {
  pool.ParallelFor((count + kPerTask - 1) / kPerTask, [&](int64_t task) {
    const int64_t end = std::min(count, (task + 1) * kPerTask);
    for (int64_t i = task * kPerTask; i < end; i += kPerDraw) {
      const auto position = static_cast<uint64_t>(i / kPerDraw);
      const std::array<uint32_t, 4> draw =
          Philox(seed, {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32),
                        static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)});
      std::array<T, kPerDraw> values;
      for (size_t k = 0; k < 4; ++k) {
        values[2 * k] = value(draw[k] & 0xFFFF);
        values[2 * k + 1] = value(draw[k] >> 16);
      }
      const auto fits = static_cast<size_t>(std::min(kPerDraw, end - i));
      std::memcpy(to + i * static_cast<int64_t>(sizeof(T)), values.data(), fits * sizeof(T));
    }
  });
}

}  // namespace

void FillRandomMatrix(ThreadPool& pool, const RandomWeights& random, std::string_view name,
                      int64_t count, std::byte* to) {
  const uint64_t stream = StreamOf(name);
  const Uniform value_of(random.standard_deviation);
  if (random.dtype == DType::kF32) {
    Fill<float>(pool, random.seed, stream, count, to, value_of);
    return;
  }
  MOIETY_CHECK(random.dtype == DType::kF16 || random.dtype == DType::kBF16);
  // Rounding each of the few values once is faster than each element.
  std::vector<uint16_t> rounded(kNumValues);
  for (uint32_t bits = 0; bits < kNumValues; ++bits) {
    const float value = value_of(bits);
    rounded[bits] = random.dtype == DType::kF16 ? F32ToF16(value) : F32ToBF16(value);
  }
  Fill<uint16_t>(pool, random.seed, stream, count, to,
                 [&](uint32_t bits) { return rounded[bits]; });
}

void FillRandomVector(ThreadPool& pool, const RandomWeights& random, std::string_view name,
                      int64_t count, float* to) {
  if (name.ends_with(".bias")) {
    Fill<float>(pool, random.seed, StreamOf(name), count, reinterpret_cast<std::byte*>(to),
                Uniform(random.standard_deviation));
  } else {
    std::fill_n(to, count, name.ends_with(".weight") ? 1.0F : 0.0F);
  }
}

}  // namespace moiety
