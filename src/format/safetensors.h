// Safetensors, the file format of Hugging Face checkpoints:
//
//   8 bytes   length of the header, little endian
//   header    JSON: {"__metadata__": {…}, "NAME": {"dtype": …, "shape": …, "data_offsets": [b, e]}}
//   data      the tensors, row-major, little endian; every byte belongs to exactly one of them
//
// Reading looks at the header alone, so it costs the same for a file of 1 MB and of 100 GB.
#ifndef MOIETY_FORMAT_SAFETENSORS_H_
#define MOIETY_FORMAT_SAFETENSORS_H_

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "format/replacing_file.h"
#include "moiety/status.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/tensor_table.h"

namespace moiety {

using SafetensorsMetadata = std::map<std::string, std::string, std::less<>>;

struct SafetensorsHeader {
  // TensorInfo::offset counts from the start of the file and TensorInfo::file is 0. Offsets need
  // not be multiples of the element size: the format does not align them.
  std::map<std::string, TensorInfo, std::less<>> tensors;
  SafetensorsMetadata metadata;  // free text of whoever wrote the file
};

// Reads the header of the whole file `file`; `where` (its path) starts every message.
//
// Fails with kInvalidData on anything the format forbids (a tensor outside the file, a shape that
// disagrees with its bytes, overlaps, bytes that belong to no tensor, …) and with kUnsupported on
// element types and fields that moiety does not know. A result that is ok can be used unchecked:
// each tensor lies inside the file and has exactly the bytes of its shape.
Result<SafetensorsHeader> ParseSafetensorsHeader(std::span<const std::byte> file,
                                                 const std::string& where);

// A tensor to be written, whose bytes come later.
struct SafetensorsTensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;

  uint64_t Bytes() const;  // of its data
};

// Writes a file whose data is appended as it is computed. The file appears, complete, when Finish()
// is called; without it nothing is left behind and an older file at `path` stays as it was.
class SafetensorsWriter {
 public:
  // Writes the header. Fails with kInvalidArgument if a name is not UTF-8, given twice or
  // "__metadata__", or if a shape or type cannot be written; with kIoError otherwise.
  static Result<SafetensorsWriter> Create(const std::filesystem::path& path,
                                          std::vector<SafetensorsTensor> tensors,
                                          const SafetensorsMetadata& metadata = {});

  // The tensors in the order in which their data has to come: the reference implementation's.
  const std::vector<SafetensorsTensor>& order() const { return order_; }
  // The next bytes of the data of all tensors.
  Status Append(std::span<const std::byte> bytes);
  // All bytes must have come. The last call.
  Status Finish() &&;

 private:
  SafetensorsWriter(std::filesystem::path path, std::vector<SafetensorsTensor> order,
                    uint64_t missing, ReplacingFile file)
      : path_(std::move(path)),
        order_(std::move(order)),
        missing_(missing),
        file_(std::move(file)) {}

  std::filesystem::path path_;
  std::vector<SafetensorsTensor> order_;
  uint64_t missing_;  // bytes
  ReplacingFile file_;
};

// A tensor to be written at once. The bytes are borrowed: shape × dtype of them, row-major.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::span<const std::byte> bytes;
};

// Writes `tensors`, in any order, to the file `path` (replaced if it is there), byte for byte as
// the reference implementation of the format does. The file appears complete or not at all: it is
// written beside `path`, synced to disk and renamed. After an error (disk full, …) nothing is left
// behind and an older file at `path` is untouched.
//
// Fails with kInvalidArgument if a name is not UTF-8, given twice or "__metadata__", or if bytes
// and shape disagree; with kIoError otherwise.
Status WriteSafetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                        const SafetensorsMetadata& metadata = {});

}  // namespace moiety

#endif  // MOIETY_FORMAT_SAFETENSORS_H_
