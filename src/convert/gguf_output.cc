#include "convert/gguf_output.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "convert/row_stream.h"
#include "format/json.h"

namespace moiety {
namespace {

// A tensor as rows to be encoded one by one. A vector whose elements change places has rows of one.
struct Rows {
  int64_t cols;
  int64_t per_piece;
  int64_t per_head;  // 0: rows stay where they are
};
Rows RowsOf(const GgufSourceTensor& tensor) {
  const bool moves = tensor.interleaved_heads > 0;
  const int64_t cols = moves && tensor.shape.size() == 1 ? 1 : tensor.shape.back();
  const int64_t all = *NumElements(tensor.shape) / cols;
  return {cols, all / static_cast<int64_t>(tensor.pieces.size()),
          moves ? all / tensor.interleaved_heads : 0};
}

const ImportanceSums* ImportanceOf(const GgufOutputOptions& options, const std::string& name,
                                   DType dtype) {
  return options.imatrix == nullptr || !IsBlockFormat(dtype) ? nullptr
                                                             : options.imatrix->Find(name);
}

Status CheckTensor(const GgufSourceTensor& tensor, const ChosenType& type,
                   const GgufOutputOptions& options, const std::string& where) {
  for (const TensorInfo& piece : tensor.pieces) {
    if (IsBlockFormat(piece.dtype) && piece.dtype != type.dtype && !options.allow_requantize) {
      return InvalidArgument(
          Format("{}: tensor {} is {} already: making it {} would lose twice, "
                 "which has to be allowed",
                 where, ShowJson(tensor.name), DTypeName(piece.dtype), DTypeName(type.dtype)));
    }
  }
  const ImportanceSums* importance = ImportanceOf(options, tensor.name, type.dtype);
  if (importance == nullptr) return OkStatus();
  const int64_t matrices = tensor.shape.size() == 3 ? tensor.shape[0] : 1;
  if (importance->cols == tensor.shape.back() && importance->num_matrices() == matrices) {
    return OkStatus();
  }
  return InvalidArgument(
      Format("{}: the importance matrix is of another model: for tensor {} of "
             "shape {} it has {} matrices with {} columns",
             where, ShowJson(tensor.name), ShapeString(tensor.shape), importance->num_matrices(),
             importance->cols));
}

// Writes the tensors of one model.
class GgufRun {
 public:
  GgufRun(const GgufInput& input, ThreadPool& pool, const GgufOutputOptions& options,
          const WriteProgress& progress, const std::string& where, GgufWriter& writer)
      : input_(input),
        pool_(pool),
        options_(options),
        progress_(progress),
        where_(where),
        writer_(writer) {
    for (const GgufSourceTensor& tensor : input.tensors) {
      for (const TensorInfo& piece : tensor.pieces) total_ += piece.size_bytes;
    }
  }

  uint64_t total() const { return total_; }

  Result<TensorReport> Write(const GgufSourceTensor& tensor, const ChosenType& type) {
    TensorReport report = {
        tensor.name, tensor.shape, tensor.pieces[0].dtype, type.dtype, type.wanted, 0, false, {}};
    report.bytes = GgufTensor{tensor.name, type.dtype, tensor.shape}.Bytes();
    const ImportanceSums* importance = ImportanceOf(options_, tensor.name, type.dtype);
    report.has_importance = importance != nullptr;
    // The pieces of a tensor are its experts' matrices, or it is one piece with all of them.
    const auto pieces = static_cast<int64_t>(tensor.pieces.size());
    const int64_t parts = importance == nullptr ? 1 : importance->num_matrices() / pieces;
    const Rows rows = RowsOf(tensor);
    const int64_t count = rows.per_piece / parts;
    for (int64_t matrix = 0; matrix < pieces * parts; ++matrix) {
      const TensorInfo& piece = tensor.pieces[static_cast<size_t>(matrix / parts)];
      std::vector<float> of_columns;
      if (importance != nullptr) {
        of_columns = importance->Of(matrix);
        if (of_columns.empty()) report.uncovered_experts.push_back(matrix);
      }
      const int64_t part = matrix % parts;
      const RowStream stream = {*input_.files[static_cast<size_t>(piece.file)],
                                piece,
                                rows.cols,
                                part * count,
                                (part + 1) * count,
                                type.dtype,
                                of_columns.empty() ? nullptr : of_columns.data(),
                                rows.per_head == 0 ? RowOrder::kSame : RowOrder::kInterleaved,
                                rows.per_head,
                                tensor.offset};
      const RowSink sink = [&](std::span<const std::byte> bytes, uint64_t source_bytes) {
        Status status = writer_.Append(bytes);
        return status.ok() ? Done(source_bytes) : status;
      };
      MOIETY_RETURN_IF_ERROR(
          StreamRows(stream, pool_, sink, Format("{}: tensor {}", where_, ShowJson(tensor.name))));
    }
    return report;
  }

 private:
  Status Done(uint64_t bytes) {
    done_ += bytes;
    return progress_ == nullptr || progress_(done_, total_)
               ? OkStatus()
               : Cancelled(Format("{}: interrupted, nothing was written", where_));
  }

  const GgufInput& input_;
  ThreadPool& pool_;
  const GgufOutputOptions& options_;
  const WriteProgress& progress_;
  const std::string& where_;
  GgufWriter& writer_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

GgufPairs MetadataFor(const GgufInput& input, const TypeMix& mix, const Imatrix* imatrix) {
  GgufPairs metadata = input.metadata;
  metadata.SetNumber("general.file_type", mix.file_type);
  metadata.SetNumber("general.quantization_version", uint32_t{2});
  if (imatrix == nullptr) return metadata;
  if (!imatrix->datasets.empty()) {
    metadata.SetString("quantize.imatrix.dataset", imatrix->datasets[0]);
  }
  metadata.SetNumber("quantize.imatrix.entries_count", static_cast<uint32_t>(imatrix->of.size()));
  metadata.SetNumber("quantize.imatrix.chunks_count", imatrix->chunk_count);
  return metadata;
}

}  // namespace

Result<GgufReport> WriteGguf(const std::filesystem::path& path, const GgufInput& input,
                             const TypeMix& mix, std::span<const ChosenType> types,
                             const GgufOutputOptions& options, ThreadPool& pool,
                             const WriteProgress& progress) {
  MOIETY_CHECK(types.size() == input.tensors.size());
  const std::string where = path.string();
  std::vector<GgufTensor> tensors;
  for (size_t i = 0; i < types.size(); ++i) {
    const GgufSourceTensor& tensor = input.tensors[i];
    MOIETY_RETURN_IF_ERROR(CheckTensor(tensor, types[i], options, where));
    tensors.push_back({tensor.name, types[i].dtype, tensor.shape});
  }
  MOIETY_ASSIGN_OR_RETURN(GgufWriter writer,
                          GgufWriter::Create(path, MetadataFor(input, mix, options.imatrix),
                                             std::move(tensors), {options.split_max_bytes}));
  GgufRun run(input, pool, options, progress, where, writer);
  GgufReport report;
  report.source_bytes = run.total();
  for (size_t i = 0; i < types.size(); ++i) {
    MOIETY_ASSIGN_OR_RETURN(report.tensors.emplace_back(), run.Write(input.tensors[i], types[i]));
    report.bytes += report.tensors.back().bytes;
  }
  MOIETY_ASSIGN_OR_RETURN(report.files, std::move(writer).Finish());
  return report;
}

}  // namespace moiety
