#include "format/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"
#include "format/json.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as in the reference implementation
constexpr std::string_view kMetadataKey = "__metadata__";

// Types of the format that moiety does not read, to tell them from nonsense.
constexpr std::array<std::string_view, 10> kOtherTypes = {
    "F4",      "F6_E2M3",     "F6_E3M2",     "F8_E4M3", "F8_E5M2",
    "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C64",     "C128"};

Result<DType> ReadDType(const json& value, const std::string& where) {
  if (!value.is_string()) {
    return InvalidData(Format("{}: \"dtype\" must be a string, found {}", where, ShowJson(value)));
  }
  const auto& name = value.get_ref<const std::string&>();
  const std::optional<DType> dtype = DTypeFromName(name);
  if (dtype.has_value() && !IsBlockFormat(*dtype)) return *dtype;
  std::string message = Format(
      "{}: element type {} is not supported; expected F64, F32, F16, BF16, an integer type or BOOL",
      where, ShowJson(value));
  const bool known = std::find(kOtherTypes.begin(), kOtherTypes.end(), name) != kOtherTypes.end();
  return known ? Unsupported(std::move(message)) : InvalidData(std::move(message));
}

Result<Shape> ReadShape(const json& value, const std::string& where) {
  const auto is_dim = [](const json& dim) {
    return dim.is_number_unsigned() && dim.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX);
  };
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_dim)) {
    return InvalidData(Format("{}: \"shape\" must be a list of integers of at least 0, found {}",
                              where, ShowJson(value)));
  }
  return value.get<Shape>();
}

// One tensor of the header; its offset still counts from the start of the data.
Result<TensorInfo> ReadTensor(const json& entry, uint64_t data_bytes, const std::string& where) {
  if (!entry.is_object()) {
    return InvalidData(Format("{}: expected an object with dtype, shape and data_offsets, found {}",
                              where, ShowJson(entry)));
  }
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!entry.contains(key)) return InvalidData(Format("{}: \"{}\" is missing", where, key));
  }
  for (const auto& [key, value] : entry.items()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      return Unsupported(Format("{}: expected dtype, shape and data_offsets, found also {}", where,
                                ShowJson(key)));
    }
  }
  TensorInfo info;
  MOIETY_ASSIGN_OR_RETURN(info.dtype, ReadDType(entry["dtype"], where));
  MOIETY_ASSIGN_OR_RETURN(info.shape, ReadShape(entry["shape"], where));

  const std::optional<int64_t> elements = NumElements(info.shape);
  if (!elements.has_value() ||
      __builtin_mul_overflow(static_cast<uint64_t>(*elements), DTypeBlockBytes(info.dtype),
                             &info.size_bytes)) {
    return InvalidData(Format("{}: shape {} of {} does not fit in 64 bits", where,
                              ShowJson(entry["shape"]), DTypeName(info.dtype)));
  }

  const json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned() || offsets[0] > offsets[1]) {
    return InvalidData(
        Format("{}: \"data_offsets\" must be two integers, 0 <= begin <= end, found {}", where,
               ShowJson(offsets)));
  }
  const auto begin = offsets[0].get<uint64_t>();
  const auto end = offsets[1].get<uint64_t>();
  if (end > data_bytes) {
    return InvalidData(
        Format("{}: ends at byte {} of the data, but the file has only {} bytes of data", where,
               end, data_bytes));
  }
  if (end - begin != info.size_bytes) {
    return InvalidData(Format("{}: shape {} of {} needs {} bytes, \"data_offsets\" {} gives {}",
                              where, ShowJson(entry["shape"]), DTypeName(info.dtype),
                              info.size_bytes, ShowJson(offsets), end - begin));
  }
  info.offset = begin;
  return info;
}

Result<SafetensorsMetadata> ReadMetadata(const json& value, const std::string& where) {
  SafetensorsMetadata metadata;
  if (!value.is_object()) {
    return InvalidData(Format("{}: \"__metadata__\" must be an object of strings, found {}", where,
                              ShowJson(value)));
  }
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      return InvalidData(Format("{}: \"__metadata__\": the value of {} must be a string, found {}",
                                where, ShowJson(key), ShowJson(text)));
    }
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

// Every byte of the data must belong to exactly one tensor.
Status CheckCoverage(const SafetensorsHeader& header, uint64_t data_bytes,
                     const std::string& where) {
  struct Extent {
    uint64_t begin = 0;
    uint64_t end = 0;
    const std::string* name = nullptr;
  };
  std::vector<Extent> extents;
  extents.reserve(header.tensors.size());
  for (const auto& [name, info] : header.tensors) {
    extents.push_back({info.offset, info.offset + info.size_bytes, &name});
  }
  // Sorted by end too, so that an empty tensor comes before the one that begins at the same byte.
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  Extent last;
  for (const Extent& extent : extents) {
    if (extent.begin < last.end) {
      return InvalidData(
          Format("{}: tensors {} and {} overlap: one ends at byte {} of the data, the "
                 "other begins at byte {}",
                 where, ShowJson(*last.name), ShowJson(*extent.name), last.end, extent.begin));
    }
    if (extent.begin > last.end) {
      return InvalidData(
          Format("{}: expected tensor {} to begin at byte {} of the data, where the one "
                 "before it ends, found {}",
                 where, ShowJson(*extent.name), last.end, extent.begin));
    }
    last = extent;
  }
  if (last.end != data_bytes) {
    return InvalidData(
        Format("{}: the tensors end at byte {} of the data, but the file has {} bytes "
               "of data",
               where, last.end, data_bytes));
  }
  return OkStatus();
}

// ---- writing ----

// Tensors are written in this order of their types, largest first, so that each is aligned to its
// element size; within one size in the reference implementation's order, so that files are equal.
int TypeRank(DType dtype) {
  switch (dtype) {
    case DType::kU64:
      return 0;
    case DType::kI64:
      return 1;
    case DType::kF64:
      return 2;
    case DType::kF32:
      return 3;
    case DType::kU32:
      return 4;
    case DType::kI32:
      return 5;
    case DType::kBF16:
      return 6;
    case DType::kF16:
      return 7;
    case DType::kU16:
      return 8;
    case DType::kI16:
      return 9;
    case DType::kI8:
      return 10;
    case DType::kU8:
      return 11;
    case DType::kBool:
      return 12;
    default:  // block formats: not to be written
      return 13;
  }
}

Status CheckTensorToWrite(const SafetensorsTensor& tensor, const std::string& where) {
  if (!IsUtf8(tensor.name) || tensor.name == kMetadataKey) {
    return InvalidArgument(
        Format("{}: {} cannot be the name of a tensor", where, ShowJson(tensor.name)));
  }
  const std::optional<int64_t> elements = NumElements(tensor.shape);
  uint64_t bytes = 0;
  if (!elements.has_value() || IsBlockFormat(tensor.dtype) ||
      __builtin_mul_overflow(static_cast<uint64_t>(*elements), DTypeBlockBytes(tensor.dtype),
                             &bytes)) {
    return InvalidArgument(Format("{}: tensor {}: shape {} of {} cannot be written", where,
                                  ShowJson(tensor.name), ShapeString(tensor.shape),
                                  DTypeName(tensor.dtype)));
  }
  return OkStatus();
}

std::string HeaderText(std::span<const SafetensorsTensor> order,
                       const SafetensorsMetadata& metadata) {
  std::string text = "{";
  const auto add = [&](const std::string& key, const nlohmann::ordered_json& value) {
    if (text.size() > 1) text += ',';
    text += json(key).dump() + ':' + value.dump();
  };
  if (!metadata.empty()) add(std::string(kMetadataKey), metadata);
  uint64_t offset = 0;
  for (const SafetensorsTensor& tensor : order) {
    const uint64_t end = offset + tensor.Bytes();
    add(tensor.name, {{"dtype", DTypeName(tensor.dtype)},
                      {"shape", tensor.shape},
                      {"data_offsets", {offset, end}}});
    offset = end;
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of 8
  return text;
}

}  // namespace

Result<SafetensorsHeader> ParseSafetensorsHeader(std::span<const std::byte> file,
                                                 const std::string& where) {
  if (file.size() < kLengthBytes) {
    return InvalidData(
        Format("{}: a safetensors file begins with 8 bytes that give the length of its "
               "header, found a file of {} bytes",
               where, file.size()));
  }
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    header_bytes |= std::to_integer<uint64_t>(file[i]) << (8 * i);
  }
  if (header_bytes > kMaxHeaderBytes || header_bytes > file.size() - kLengthBytes) {
    return InvalidData(
        Format("{}: the first 8 bytes give a safetensors header of {} bytes; expected at "
               "most {}, in a file of {} bytes",
               where, header_bytes, kMaxHeaderBytes, file.size()));
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes,
                              header_bytes);
  if (text.empty() || text.front() != '{') {
    return InvalidData(Format("{}: the header of a safetensors file must begin with {{, found {}",
                              where, ShowJson(std::string(text.substr(0, kLengthBytes)))));
  }
  MOIETY_ASSIGN_OR_RETURN(const json document, ParseJson(text, where + ": header"));

  const uint64_t data_begin = kLengthBytes + header_bytes;
  const uint64_t data_bytes = file.size() - data_begin;
  SafetensorsHeader header;
  for (const auto& [name, entry] : document.items()) {
    if (name == kMetadataKey) {
      MOIETY_ASSIGN_OR_RETURN(header.metadata, ReadMetadata(entry, where));
      continue;
    }
    const std::string tensor_where = Format("{}: tensor {}", where, ShowJson(name));
    MOIETY_ASSIGN_OR_RETURN(TensorInfo info, ReadTensor(entry, data_bytes, tensor_where));
    header.tensors.emplace_hint(header.tensors.end(), name, std::move(info));
  }
  MOIETY_RETURN_IF_ERROR(CheckCoverage(header, data_bytes, where));
  for (auto& [name, info] : header.tensors) info.offset += data_begin;
  return header;
}

uint64_t SafetensorsTensor::Bytes() const {
  return DTypeBytes(dtype, static_cast<uint64_t>(*NumElements(shape)));
}

Result<SafetensorsWriter> SafetensorsWriter::Create(const std::filesystem::path& path,
                                                    std::vector<SafetensorsTensor> tensors,
                                                    const SafetensorsMetadata& metadata) {
  const std::string where = path.string();
  for (const SafetensorsTensor& tensor : tensors) {
    MOIETY_RETURN_IF_ERROR(CheckTensorToWrite(tensor, where));
  }
  for (const auto& [key, value] : metadata) {
    if (!IsUtf8(key) || !IsUtf8(value)) {
      return InvalidArgument(Format("{}: metadata {} is not UTF-8", where, ShowJson(key)));
    }
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
              return std::pair(TypeRank(a.dtype), std::string_view(a.name)) <
                     std::pair(TypeRank(b.dtype), std::string_view(b.name));
            });
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const SafetensorsTensor& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return InvalidArgument(
        Format("{}: two tensors are named {}", where, ShowJson(std::string(*twice))));
  }

  const std::string header = HeaderText(tensors, metadata);
  if (header.size() > kMaxHeaderBytes) {
    return InvalidArgument(
        Format("{}: names and shapes make a header of {} bytes, the format allows {}", where,
               header.size(), kMaxHeaderBytes));
  }
  std::array<std::byte, kLengthBytes> length;
  for (size_t i = 0; i < kLengthBytes; ++i)
    length[i] = static_cast<std::byte>(header.size() >> (8 * i));
  uint64_t bytes = 0;
  for (const SafetensorsTensor& tensor : tensors) bytes += tensor.Bytes();

  MOIETY_ASSIGN_OR_RETURN(ReplacingFile file, ReplacingFile::Create(path));
  MOIETY_RETURN_IF_ERROR(file.Write(length));
  MOIETY_RETURN_IF_ERROR(file.Write(std::as_bytes(std::span(header))));
  return SafetensorsWriter(path, std::move(tensors), bytes, std::move(file));
}

Status SafetensorsWriter::Append(std::span<const std::byte> bytes) {
  if (bytes.size() > missing_) {
    return InvalidArgument(Format("{}: {} bytes are more than the {} that the tensors lack",
                                  path_.string(), bytes.size(), missing_));
  }
  missing_ -= bytes.size();
  return file_.Write(bytes);
}

Status SafetensorsWriter::Finish() && {
  if (missing_ > 0) {
    return InvalidArgument(
        Format("{}: the tensors lack {} bytes of data", path_.string(), missing_));
  }
  return std::move(file_).Commit();
}

Status WriteSafetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                        const SafetensorsMetadata& metadata) {
  std::vector<SafetensorsTensor> headers;
  std::map<std::string_view, std::span<const std::byte>> bytes;
  for (const TensorToWrite& tensor : tensors) {
    headers.push_back({tensor.name, tensor.dtype, tensor.shape});
    MOIETY_RETURN_IF_ERROR(CheckTensorToWrite(headers.back(), path.string()));
    if (headers.back().Bytes() != tensor.bytes.size()) {
      return InvalidArgument(Format("{}: tensor {}: {} bytes do not make shape {} of {}",
                                    path.string(), ShowJson(tensor.name), tensor.bytes.size(),
                                    ShapeString(tensor.shape), DTypeName(tensor.dtype)));
    }
    bytes[tensor.name] = tensor.bytes;
  }
  MOIETY_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                          SafetensorsWriter::Create(path, std::move(headers), metadata));
  for (const SafetensorsTensor& tensor : writer.order()) {
    MOIETY_RETURN_IF_ERROR(writer.Append(bytes[tensor.name]));
  }
  return std::move(writer).Finish();
}

}  // namespace moiety
