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
  kBool,
  // Blocks of values that share scales, as GGML lays them out; quant/ knows what is in them.
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4
};

// "F32", "BF16", …, "Q4_K": the names of the safetensors format and of GGML.
std::string_view DTypeName(DType dtype);
std::optional<DType> DTypeFromName(std::string_view name);

// Values that lie together, and their bytes: 1 value for numbers, 32 or 256 for block formats.
size_t DTypeBlockValues(DType dtype);
size_t DTypeBlockBytes(DType dtype);
inline bool IsBlockFormat(DType dtype) { return DTypeBlockValues(dtype) > 1; }
// Bytes of `count` values, a multiple of DTypeBlockValues().
inline uint64_t DTypeBytes(DType dtype, uint64_t count) {
  return count / DTypeBlockValues(dtype) * DTypeBlockBytes(dtype);
}

// One element, exactly. f16 subnormals, infinities and NaNs included.
float F16ToF32(uint16_t bits);
inline float BF16ToF32(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, sizeof(value));
  return value;
}
// Round to nearest, ties to even; NaN stays NaN.
inline uint16_t F32ToBF16(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  const bool nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
  const uint32_t rounded = bits + 0x7FFFU + ((bits >> 16) & 1U);
  return static_cast<uint16_t>((nan ? bits | 0x400000U : rounded) >> 16);
}
uint16_t F32ToF16(float value);

}  // namespace moiety

#endif  // MOIETY_TENSOR_DTYPE_H_
