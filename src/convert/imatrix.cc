#include "convert/imatrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>

#include "base/format.h"
#include "format/gguf.h"
#include "format/gguf_writer.h"
#include "format/json.h"
#include "io/mapped_file.h"

namespace moiety {
namespace {

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";
constexpr const char* kDatasets = "imatrix.datasets";
constexpr const char* kChunkCount = "imatrix.chunk_count";
constexpr const char* kChunkSize = "imatrix.chunk_size";

Result<std::vector<float>> ReadFloats(const TensorInfo& info, std::span<const std::byte> file,
                                      const std::string& where) {
  if (info.dtype != DType::kF32) {
    return InvalidData(Format("{}: expected F32, found {}", where, DTypeName(info.dtype)));
  }
  std::vector<float> values(info.size_bytes / sizeof(float));
  std::memcpy(values.data(), file.data() + info.offset, info.size_bytes);
  const auto is_sum = [](float value) { return std::isfinite(value) && value >= 0; };
  if (!std::all_of(values.begin(), values.end(), is_sum)) {
    return InvalidData(Format("{}: expected finite numbers of at least 0", where));
  }
  return values;
}

Result<ImportanceSums> ReadSums(const TensorInfo& sums, const TensorInfo& counts,
                                std::span<const std::byte> file, const std::string& where) {
  const std::optional<int64_t> num_matrices = NumElements(counts.shape);
  const int64_t cols = sums.shape.back();
  if (counts.shape.back() != 1 || *NumElements(sums.shape) != *num_matrices * cols) {
    return InvalidData(
        Format("{}: expected sums [matrices, columns] and counts [matrices, 1], "
               "found {} and {}",
               where, ShapeString(sums.shape), ShapeString(counts.shape)));
  }
  ImportanceSums result;
  result.cols = cols;
  MOIETY_ASSIGN_OR_RETURN(result.sums, ReadFloats(sums, file, where));
  MOIETY_ASSIGN_OR_RETURN(result.counts, ReadFloats(counts, file, where));
  return result;
}

Result<uint32_t> ReadCount(const GgufHeader& header, const char* key, const std::string& where) {
  const GgufValue* value = header.Find(key);
  if (value == nullptr) return uint32_t{0};
  const std::optional<int64_t> count = value->Integer();
  if (count.has_value() && *count >= 0 && *count <= UINT32_MAX)
    return static_cast<uint32_t>(*count);
  return InvalidData(
      Format("{}: {}: expected a count, found {}", where, key,
             count.has_value() ? std::to_string(*count) : std::string(GgufTypeName(value->type))));
}

}  // namespace

std::vector<float> ImportanceSums::Of(int64_t m) const {
  const float count = counts[static_cast<size_t>(m)];
  if (count == 0) return {};
  const auto first = sums.begin() + m * cols;
  std::vector<float> importance(first, first + cols);
  for (float& value : importance) value /= count;
  return importance;
}

const ImportanceSums* Imatrix::Find(std::string_view tensor) const {
  const auto it = of.find(tensor);
  return it == of.end() ? nullptr : &it->second;
}

Result<Imatrix> ReadImatrix(const std::filesystem::path& path) {
  MOIETY_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  return ParseImatrix(file->bytes(), path.string());
}

Result<Imatrix> ParseImatrix(std::span<const std::byte> file, const std::string& where) {
  MOIETY_ASSIGN_OR_RETURN(const GgufHeader header, ParseGgufHeader(file, where));
  const GgufValue* type = header.Find("general.type");
  if (type == nullptr || type->String() != "imatrix") {
    return InvalidData(
        Format("{}: not an importance matrix: expected general.type \"imatrix\"", where));
  }
  Imatrix imatrix;
  MOIETY_ASSIGN_OR_RETURN(imatrix.chunk_count, ReadCount(header, kChunkCount, where));
  MOIETY_ASSIGN_OR_RETURN(imatrix.chunk_size, ReadCount(header, kChunkSize, where));
  if (const GgufValue* datasets = header.Find(kDatasets)) {
    const auto names = datasets->Strings();
    if (!names.has_value()) {
      return InvalidData(Format("{}: {}: expected a list of strings", where, kDatasets));
    }
    imatrix.datasets.assign(names->begin(), names->end());
  }
  for (const auto& [name, info] : header.tensors) {
    const bool is_counts = name.ends_with(kCounts);
    if (!is_counts && !name.ends_with(kSums)) {
      return InvalidData(Format("{}: tensor {}: expected names that end with {} or {}", where,
                                ShowJson(name), kSums, kCounts));
    }
    const std::string tensor = name.substr(0, name.size() - (is_counts ? kCounts : kSums).size());
    const auto other = header.tensors.find(tensor + std::string(is_counts ? kSums : kCounts));
    if (other == header.tensors.end()) {
      return InvalidData(Format("{}: {} has no {}", where, ShowJson(name),
                                ShowJson(tensor + std::string(is_counts ? kSums : kCounts))));
    }
    if (is_counts) continue;
    MOIETY_ASSIGN_OR_RETURN(
        ImportanceSums sums,
        ReadSums(info, other->second, file, Format("{}: {}", where, ShowJson(tensor))));
    imatrix.of.emplace(tensor, std::move(sums));
  }
  return imatrix;
}

Status WriteImatrix(const std::filesystem::path& path, const Imatrix& imatrix) {
  GgufPairs metadata;
  metadata.SetString("general.type", "imatrix");
  metadata.SetStrings(kDatasets, imatrix.datasets);
  metadata.SetNumber(kChunkCount, imatrix.chunk_count);
  metadata.SetNumber(kChunkSize, imatrix.chunk_size);
  std::vector<GgufTensor> tensors;
  for (const auto& [name, sums] : imatrix.of) {
    tensors.push_back({name + std::string(kSums), DType::kF32, {sums.num_matrices(), sums.cols}});
    tensors.push_back({name + std::string(kCounts), DType::kF32, {sums.num_matrices(), 1}});
  }
  MOIETY_ASSIGN_OR_RETURN(GgufWriter writer,
                          GgufWriter::Create(path, std::move(metadata), std::move(tensors)));
  for (const auto& [name, sums] : imatrix.of) {
    MOIETY_RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(sums.sums))));
    MOIETY_RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(sums.counts))));
  }
  return std::move(writer).Finish().status();
}

}  // namespace moiety
