// TensorTable: what a model file holds, before anyone looks at the bytes. The readers in format/
// make it, the store in store/ hands its bytes out.
#ifndef MOIETY_TENSOR_TENSOR_TABLE_H_
#define MOIETY_TENSOR_TENSOR_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace moiety {

class MappedFile;  // io/mapped_file.h

struct TensorInfo {
  DType dtype = DType::kF32;
  Shape shape;
  int32_t file = 0;     // index into TensorTable::files
  uint64_t offset = 0;  // bytes from the start of that file
  uint64_t size_bytes =
      0;  // product of shape × bytes of dtype; inside the file (checked by the reader)
};

struct TensorTable {
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::map<std::string, TensorInfo, std::less<>> tensors;
};

}  // namespace moiety

#endif  // MOIETY_TENSOR_TENSOR_TABLE_H_
