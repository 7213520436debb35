// Writing GGUF files, version 3; see gguf.h for the format.
//
// What tensors there are is known before any of their data: the headers are written first, then the
// data is appended as it is computed, so memory holds no more than the piece at hand.
#ifndef MOIETY_FORMAT_GGUF_WRITER_H_
#define MOIETY_FORMAT_GGUF_WRITER_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/gguf.h"
#include "format/replacing_file.h"
#include "moiety/status.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace moiety {

// The type in a file of a C++ number.
template <class T>
concept GgufNumber = std::same_as<T, uint8_t> || std::same_as<T, int8_t> ||
    std::same_as<T, uint16_t> || std::same_as<T, int16_t> || std::same_as<T, uint32_t> ||
    std::same_as<T, int32_t> || std::same_as<T, uint64_t> || std::same_as<T, int64_t> ||
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, bool>;

template <GgufNumber T>
constexpr GgufType GgufTypeOf() {
  if constexpr (std::same_as<T, bool>) return GgufType::kBool;
  if constexpr (std::same_as<T, float>) return GgufType::kF32;
  if constexpr (std::same_as<T, double>) return GgufType::kF64;
  if constexpr (std::same_as<T, uint8_t>) return GgufType::kU8;
  if constexpr (std::same_as<T, int8_t>) return GgufType::kI8;
  if constexpr (std::same_as<T, uint16_t>) return GgufType::kU16;
  if constexpr (std::same_as<T, int16_t>) return GgufType::kI16;
  if constexpr (std::same_as<T, uint32_t>) return GgufType::kU32;
  if constexpr (std::same_as<T, int32_t>) return GgufType::kI32;
  if constexpr (std::same_as<T, uint64_t>) return GgufType::kU64;
  return GgufType::kI64;
}

// Key-value pairs to be written, in the order in which they were set first. Values are kept as
// they will lie in the file.
class GgufPairs {
 public:
  struct Pair {
    std::string key;
    GgufType type;
    GgufType element;  // of an array; else the type itself
    uint64_t count;
    std::string bytes;  // without types and count
  };

  // Each sets a key, or replaces its value.
  template <GgufNumber T>
  void SetNumber(std::string_view key, T value) {
    Set({std::string(key), GgufTypeOf<T>(), GgufTypeOf<T>(), 1,
         Bytes(std::span<const T>(&value, 1))});
  }
  template <GgufNumber T>
  void SetNumbers(std::string_view key, std::span<const T> values) {
    Set({std::string(key), GgufType::kArray, GgufTypeOf<T>(), values.size(), Bytes(values)});
  }
  void SetString(std::string_view key, std::string_view value);
  void SetStrings(std::string_view key, std::span<const std::string> values);
  void Copy(std::string_view key, const GgufValue& value);
  void Erase(std::string_view key);

  bool Contains(std::string_view key) const;
  const std::vector<Pair>& pairs() const { return pairs_; }

 private:
  template <class T>
  static std::string Bytes(std::span<const T> values) {
    return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
  }
  void Set(Pair pair);

  std::vector<Pair> pairs_;
};

// A tensor to be written; its innermost dimension last.
struct GgufTensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;

  uint64_t Bytes() const;  // of its data
};

struct GgufWriterOptions {
  // A part of a file ends before the tensor that would make its data larger than this; a larger
  // tensor is a part of its own. 0: one file. Several parts are named "NAME-00001-of-00003.gguf".
  uint64_t split_max_bytes = 0;
};

// Writes one file, or its parts. They appear, complete, when Finish() is called; without it nothing
// is left behind and older files stay as they were.
class GgufWriter {
 public:
  // Writes the headers. "general.alignment" of the metadata is kept (32 if it is not there);
  // split.* keys are set where there are several parts and removed where there is one.
  //
  // Fails with kInvalidArgument if the file could not be read again: a key or name that is not
  // UTF-8 or there twice, a name of more than 63 bytes (what GGML reads), 0 or more than 4
  // dimensions, a dimension of 0, a row that is no whole number of blocks, a type that GGML does
  // not have; with kIoError otherwise.
  static Result<GgufWriter> Create(const std::filesystem::path& path, GgufPairs metadata,
                                   std::vector<GgufTensor> tensors,
                                   const GgufWriterOptions& options = {});

  // The next bytes of the data of all tensors, in the order in which Create() got them. A call may
  // give any part of one tensor, not of two.
  Status Append(std::span<const std::byte> bytes);

  // All tensors must be complete. Returns the paths of the files. The last call.
  Result<std::vector<std::filesystem::path>> Finish() &&;

 private:
  struct Part {
    std::filesystem::path path;
    ReplacingFile file;
  };
  GgufWriter(std::filesystem::path path, uint64_t alignment, std::vector<GgufTensor> tensors)
      : path_(std::move(path)), alignment_(alignment), tensors_(std::move(tensors)) {}

  std::filesystem::path path_;
  uint64_t alignment_;
  std::vector<GgufTensor> tensors_;
  std::vector<size_t> first_tensors_;  // of each part
  std::vector<Part> parts_;
  size_t tensor_ = 0;     // the one being appended to
  size_t part_ = 0;       // where it is
  uint64_t written_ = 0;  // bytes of it
};

}  // namespace moiety

#endif  // MOIETY_FORMAT_GGUF_WRITER_H_
