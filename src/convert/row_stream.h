// The rows of a tensor in another type, slice by slice: what both kinds of output write.
#ifndef MOIETY_CONVERT_ROW_STREAM_H_
#define MOIETY_CONVERT_ROW_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/parallel.h"
#include "io/mapped_file.h"
#include "moiety/status.h"
#include "tensor/dtype.h"
#include "tensor/tensor_table.h"

namespace moiety {

// Where row r of the result lies in the source: see InterleavedRow(), UninterleavedRow().
enum class RowOrder : uint8_t { kSame, kInterleaved, kUninterleaved };

struct RowStream {
  const MappedFile& file;
  const TensorInfo& source;  // in that file
  int64_t cols;              // rows of so many values, a multiple of both types' blocks
  int64_t begin, end;        // rows of the result
  DType dtype;               // of the result; another one than the source's: both are weight types
  const float* importance = nullptr;  // [cols] or null; see BlockFormat::encode
  RowOrder order = RowOrder::kSame;
  int64_t head_rows = 0;  // where rows change places
  float offset = 0;       // added to each value
};

// Gets the next bytes of the result and the number of source bytes they were made of.
using RowSink = std::function<Status(std::span<const std::byte> rows, uint64_t source_bytes)>;

// Rows that stay as they are are handed over where they lie. Of others, a slice of at most 8 Mi
// values (or one row) is in memory at a time; threads share its rows, and the bytes do not depend
// on them. Pages of the source that are done with are released. `where` starts messages.
//
// Fails with kInvalidData on a value that is not finite or too large for the type, and as `sink`.
Status StreamRows(const RowStream& stream, ThreadPool& pool, const RowSink& sink,
                  const std::string& where);

}  // namespace moiety

#endif  // MOIETY_CONVERT_ROW_STREAM_H_
