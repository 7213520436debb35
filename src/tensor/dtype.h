// Element types of tensors on disk and in memory.
#ifndef MOIETY_TENSOR_DTYPE_H_
#define MOIETY_TENSOR_DTYPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace moiety {

enum class DType : uint8_t {
  kF64,
  kF32,
  kF16,
  kBF16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool
};

// "F32", "BF16", …: the names of the safetensors format.
std::string_view DTypeName(DType dtype);
std::optional<DType> DTypeFromName(std::string_view name);
size_t DTypeBytes(DType dtype);

// One element, exactly. f16 subnormals, infinities and NaNs included.
float F16ToF32(uint16_t bits);
inline float BF16ToF32(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, sizeof(value));
  return value;
}
// Round to nearest, ties to even; NaN stays NaN.
uint16_t F32ToBF16(float value);
uint16_t F32ToF16(float value);

}  // namespace moiety

#endif  // MOIETY_TENSOR_DTYPE_H_
