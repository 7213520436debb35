#include "convert/row_stream.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include "base/format.h"
#include "format/hf_to_gguf.h"
#include "quant/row_codec.h"

namespace moiety {
namespace {

// Values of a slice, of which source and result are in memory, and of a task of one thread.
constexpr int64_t kSliceValues = int64_t{8} << 20;
constexpr int64_t kTaskValues = int64_t{32} << 10;
constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

int64_t SourceRow(const RowStream& stream, int64_t row) {
  switch (stream.order) {
    case RowOrder::kSame:
      return row;
    case RowOrder::kInterleaved:
      return InterleavedRow(row, stream.head_rows);
    case RowOrder::kUninterleaved:
      return UninterleavedRow(row, stream.head_rows);
  }
  return row;
}

void Lower(std::atomic<int64_t>& least, int64_t value) {
  int64_t known = least.load();
  while (value < known && !least.compare_exchange_weak(known, value)) {
  }
}

// Rows [first, first + count) of the result. Returns the first value that does not fit, or kNone.
int64_t EncodeSlice(const RowStream& stream, int64_t first, int64_t count, ThreadPool& pool,
                    std::byte* out) {
  const int64_t cols = stream.cols;
  const uint64_t source_bytes = DTypeBytes(stream.source.dtype, static_cast<uint64_t>(cols));
  const uint64_t row_bytes = DTypeBytes(stream.dtype, static_cast<uint64_t>(cols));
  const std::byte* source = stream.file.bytes().data() + stream.source.offset;
  const int64_t per_task = std::max<int64_t>(1, kTaskValues / cols);
  std::atomic<int64_t> misfit = kNone;
  pool.ParallelFor((count + per_task - 1) / per_task, [&](int64_t task) {
    std::vector<float> x(static_cast<size_t>(cols));
    const int64_t last = std::min(count, (task + 1) * per_task);
    for (int64_t i = task * per_task; i < last; ++i) {
      const auto from = static_cast<uint64_t>(SourceRow(stream, first + i));
      DecodeRow(stream.source.dtype, source + from * source_bytes, cols, x.data());
      if (stream.offset != 0) {
        for (float& value : x) value += stream.offset;
      }
      if (const auto col = FirstMisfit(stream.dtype, x.data(), cols)) {
        Lower(misfit, (first + i) * cols + *col);
        continue;  // the encoders want values that fit
      }
      EncodeRow(stream.dtype, x.data(), stream.importance, cols,
                out + static_cast<uint64_t>(i) * row_bytes);
    }
  });
  return misfit;
}

}  // namespace

Status StreamRows(const RowStream& stream, ThreadPool& pool, const RowSink& sink,
                  const std::string& where) {
  const auto cols = static_cast<uint64_t>(stream.cols);
  const uint64_t source_bytes = DTypeBytes(stream.source.dtype, cols);
  const uint64_t row_bytes = DTypeBytes(stream.dtype, cols);
  const bool stays =
      stream.source.dtype == stream.dtype && stream.order == RowOrder::kSame && stream.offset == 0;
  const int64_t per_slice = std::max<int64_t>(1, kSliceValues / stream.cols);
  std::vector<std::byte> out;
  for (int64_t first = stream.begin; first < stream.end; first += per_slice) {
    const int64_t count = std::min(per_slice, stream.end - first);
    const uint64_t from = stream.source.offset + static_cast<uint64_t>(first) * source_bytes;
    const uint64_t bytes = static_cast<uint64_t>(count) * source_bytes;
    if (stays) {
      MOIETY_RETURN_IF_ERROR(sink(stream.file.bytes().subspan(from, bytes), bytes));
    } else {
      out.resize(static_cast<uint64_t>(count) * row_bytes);
      const int64_t misfit = EncodeSlice(stream, first, count, pool, out.data());
      if (misfit != kNone) {
        return InvalidData(Format("{}: value {} is not finite or too large for {}", where, misfit,
                                  DTypeName(stream.dtype)));
      }
      MOIETY_RETURN_IF_ERROR(sink(out, bytes));
    }
    // Rows that change places come from anywhere in their head, which may not be done yet.
    if (stream.order == RowOrder::kSame) stream.file.Release(from, from + bytes);
  }
  return OkStatus();
}

}  // namespace moiety
