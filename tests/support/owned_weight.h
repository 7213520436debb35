// OwnedWeight: a weight that lives in a test instead of a store.
#ifndef MOIETY_TESTS_SUPPORT_OWNED_WEIGHT_H_
#define MOIETY_TESTS_SUPPORT_OWNED_WEIGHT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "support/random_values.h"
#include "tensor/dtype.h"
#include "tensor/weight.h"

namespace moiety {

// `values` rounded to f32, f16 or bf16, as bytes of that type.
inline std::vector<std::byte> ToBytes(const std::vector<float>& values, DType dtype) {
  std::vector<std::byte> bytes(DTypeBytes(dtype, values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::kF32) {
      std::memcpy(&bytes[4 * i], &values[i], 4);
    } else {
      const uint16_t bits = dtype == DType::kF16 ? F32ToF16(values[i]) : F32ToBF16(values[i]);
      std::memcpy(&bytes[2 * i], &bits, 2);
    }
  }
  return bytes;
}

// The values that such bytes stand for.
inline std::vector<float> FromBytes(const std::vector<std::byte>& bytes, DType dtype) {
  std::vector<float> values(bytes.size() / DTypeBlockBytes(dtype));
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::kF32) {
      std::memcpy(&values[i], &bytes[4 * i], 4);
    } else {
      uint16_t bits = 0;
      std::memcpy(&bits, &bytes[2 * i], 2);
      values[i] = dtype == DType::kF16 ? F16ToF32(bits) : BF16ToF32(bits);
    }
  }
  return values;
}

class OwnedWeight {
 public:
  // Vectors are kept as f32, as the store does.
  OwnedWeight(Shape shape, const std::vector<float>& values, DType dtype = DType::kF32)
      : weight_(std::make_unique<Weight>()) {
    bytes_ = ToBytes(values, shape.size() == 1 ? DType::kF32 : dtype);
    values_ = FromBytes(bytes_, shape.size() == 1 ? DType::kF32 : dtype);
    weight_->dtype = dtype;
    weight_->shape = std::move(shape);
    weight_->data = bytes_.data();
  }
  static OwnedWeight Random(const Shape& shape, uint64_t seed, DType dtype = DType::kF32) {
    return {shape, RandomValues(*NumElements(shape), seed), dtype};
  }

  WeightRef ref() const { return WeightRef(weight_.get()); }
  // What the weight holds after rounding to its type: for oracles.
  const std::vector<float>& values() const { return values_; }
  double at(int64_t row, int64_t col) const {
    return static_cast<double>(values_[static_cast<size_t>(row * weight_->shape[1] + col)]);
  }
  double at(int64_t i) const { return static_cast<double>(values_[static_cast<size_t>(i)]); }

 private:
  std::unique_ptr<Weight> weight_;  // a stable address
  std::vector<std::byte> bytes_;
  std::vector<float> values_;
};

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_OWNED_WEIGHT_H_
