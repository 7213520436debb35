// GGUF, the one-file format of llama.cpp and its relatives, versions 2 and 3:
//
//   "GGUF", version u32, number of tensors u64, number of key-value pairs u64
//   pairs      key (string), type u32, value; an array is its elements' type u32, count u64,
//   elements tensors    name (string), number of dimensions u32, dimensions u64, type u32, offset
//   u64 data       from the next multiple of general.alignment (32 if not there); each tensor on
//   one, too
//
// A string is its length u64 and bytes. All little endian. The first dimension is the innermost.
//
// Reading looks at what comes before the data alone; values stay where they are mapped.
#ifndef MOIETY_FORMAT_GGUF_H_
#define MOIETY_FORMAT_GGUF_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "tensor/dtype.h"
#include "tensor/tensor_table.h"

namespace moiety {

inline constexpr uint64_t kGgufDefaultAlignment = 32;  // of tensor data, without general.alignment
inline constexpr size_t kGgufMaxDims = 4;

// The numbers are those of the file.
enum class GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};
std::string_view GgufTypeName(GgufType type);

// A value as it lies in the file, which must outlive it.
struct GgufValue {
  GgufType type;
  GgufType element = GgufType::kU8;  // of arrays; never kArray
  uint64_t count = 1;                // of elements
  std::span<const std::byte> bytes;  // the value, or the elements: without types and count

  // Null if the value is of another kind. Any integer type will do that the number fits; a number
  // may also be an integer; each of an array is as the one.
  std::optional<int64_t> Integer() const;
  std::optional<double> Number() const;
  std::optional<bool> Bool() const;
  std::optional<std::string_view> String() const;
  std::optional<std::vector<std::string_view>> Strings() const;
  std::optional<std::vector<int64_t>> Integers() const;
  std::optional<std::vector<double>> Numbers() const;
};

struct GgufHeader {
  uint32_t version = 0;
  uint64_t alignment = 0;
  // In the order of the file; keys are UTF-8.
  std::vector<std::pair<std::string, GgufValue>> metadata;
  // TensorInfo::offset counts from the start of the file and TensorInfo::file is 0. Shapes have the
  // innermost dimension last, as everywhere in moiety.
  std::map<std::string, TensorInfo, std::less<>> tensors;

  // Null if there is no such key.
  const GgufValue* Find(std::string_view key) const;
};

bool HasGgufMagic(std::span<const std::byte> file);

// Reads the header of the whole file `file`; `where` (its path) starts every message.
//
// Fails with kInvalidData on anything the format forbids (a length beyond the file, a key or tensor
// given twice, a row that is no whole number of blocks, tensors that overlap or leave the file, …)
// and with kUnsupported on versions, types of tensors and arrays of arrays that moiety does not
// know. A result that is ok can be used unchecked: every value and tensor lies inside the file.
Result<GgufHeader> ParseGgufHeader(std::span<const std::byte> file, const std::string& where);

// GGML's number of a type. Null where one of the two has no such type.
std::optional<uint32_t> GgmlTypeOf(DType dtype);
std::optional<DType> DTypeOfGgml(uint32_t type);

}  // namespace moiety

#endif  // MOIETY_FORMAT_GGUF_H_
