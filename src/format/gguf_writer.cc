#include "format/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/aligned.h"
#include "base/format.h"
#include "base/utf8.h"
#include "format/json.h"

namespace moiety {
namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kMaxNameBytes = 63;
constexpr size_t kMaxParts = 65535;  // split.count has 16 bits
constexpr std::string_view kAlignmentKey = "general.alignment";

template <class T>
void Add(std::string& text, T value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AddString(std::string& text, std::string_view value) {
  Add(text, static_cast<uint64_t>(value.size()));
  text += value;
}

void AddPair(std::string& text, const GgufPairs::Pair& pair) {
  AddString(text, pair.key);
  Add(text, static_cast<uint32_t>(pair.type));
  if (pair.type == GgufType::kArray) {
    Add(text, static_cast<uint32_t>(pair.element));
    Add(text, pair.count);
  }
  text += pair.bytes;
}

std::string HeaderText(const GgufPairs& metadata, std::span<const GgufTensor> tensors,
                       uint64_t alignment) {
  std::string text = "GGUF";
  Add(text, kVersion);
  Add(text, static_cast<uint64_t>(tensors.size()));
  Add(text, static_cast<uint64_t>(metadata.pairs().size()));
  for (const GgufPairs::Pair& pair : metadata.pairs()) AddPair(text, pair);
  uint64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    AddString(text, tensor.name);
    Add(text, static_cast<uint32_t>(tensor.shape.size()));
    for (auto dim = tensor.shape.rbegin(); dim != tensor.shape.rend(); ++dim) Add(text, *dim);
    Add(text, *GgmlTypeOf(tensor.dtype));
    Add(text, offset);
    offset += RoundUp(tensor.Bytes(), alignment);
  }
  text.resize(RoundUp(text.size(), alignment), '\0');
  return text;
}

Status CheckTensor(const GgufTensor& tensor, const std::string& where) {
  const std::string here = Format("{}: tensor {}", where, ShowJson(tensor.name));
  if (!IsUtf8(tensor.name) || tensor.name.size() > kMaxNameBytes) {
    return InvalidArgument(Format("{}: a name must be UTF-8 and have at most {} bytes, found {}",
                                  here, kMaxNameBytes, tensor.name.size()));
  }
  if (!GgmlTypeOf(tensor.dtype).has_value()) {
    return InvalidArgument(
        Format("{}: GGUF files have no tensors of {}", here, DTypeName(tensor.dtype)));
  }
  const Shape& shape = tensor.shape;
  const auto fits = [](int64_t dim) { return dim >= 1; };
  const std::optional<int64_t> elements = NumElements(shape);
  const auto block = static_cast<int64_t>(DTypeBlockValues(tensor.dtype));
  // 2^56 values keep the sum of the bytes of any number of tensors that fits in memory in 64 bits.
  if (shape.empty() || shape.size() > kGgufMaxDims ||
      !std::all_of(shape.begin(), shape.end(), fits) || !elements.has_value() ||
      *elements > int64_t{1} << 56) {
    return InvalidArgument(
        Format("{}: expected 1 to {} dimensions of at least 1, and at most 2^56 values, found {}",
               here, kGgufMaxDims, ShapeString(shape)));
  }
  if (shape.back() % block != 0) {
    return InvalidArgument(Format("{}: rows of {} values, but {} has blocks of {}", here,
                                  shape.back(), DTypeName(tensor.dtype), block));
  }
  return OkStatus();
}

Status Check(const GgufPairs& metadata, std::span<const GgufTensor> tensors,
             const std::string& where) {
  for (const GgufPairs::Pair& pair : metadata.pairs()) {
    if (IsUtf8(pair.key)) continue;
    return InvalidArgument(Format("{}: key {} is not UTF-8", where, ShowJson(pair.key)));
  }
  std::set<std::string_view> names;
  for (const GgufTensor& tensor : tensors) {
    MOIETY_RETURN_IF_ERROR(CheckTensor(tensor, where));
    if (names.insert(tensor.name).second) continue;
    return InvalidArgument(Format("{}: two tensors are named {}", where, ShowJson(tensor.name)));
  }
  return OkStatus();
}

Result<uint64_t> AlignmentOf(const GgufPairs& metadata, const std::string& where) {
  for (const GgufPairs::Pair& pair : metadata.pairs()) {
    if (pair.key != kAlignmentKey) continue;
    uint32_t alignment = 0;
    if (pair.type == GgufType::kU32) std::memcpy(&alignment, pair.bytes.data(), sizeof(alignment));
    if (std::has_single_bit(alignment) && alignment <= 1U << 30) return alignment;
    return InvalidArgument(
        Format("{}: general.alignment: expected a u32 that is a power of two up to 2^30", where));
  }
  return kGgufDefaultAlignment;
}

// The first tensor of each part.
std::vector<size_t> Split(std::span<const GgufTensor> tensors, uint64_t max_bytes) {
  std::vector<size_t> first = {0};
  uint64_t bytes = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const uint64_t more = tensors[i].Bytes();
    if (max_bytes != 0 && i > first.back() && bytes + more > max_bytes) {
      first.push_back(i);
      bytes = 0;
    }
    bytes += more;
  }
  return first;
}

// "NAME.gguf" and "NAME-00001-of-00003.gguf" both become the name of part `i` of `count`.
std::filesystem::path PartPath(const std::filesystem::path& path, size_t i, size_t count) {
  std::string name = path.filename().string();
  constexpr std::string_view kEnding = ".gguf";
  if (name.ends_with(kEnding)) name.resize(name.size() - kEnding.size());
  return path.parent_path() / Format("{}-{:05}-of-{:05}.gguf", name, i + 1, count);
}

}  // namespace

void GgufPairs::Set(Pair pair) {
  const auto it = std::find_if(pairs_.begin(), pairs_.end(),
                               [&](const Pair& other) { return other.key == pair.key; });
  if (it == pairs_.end()) {
    pairs_.push_back(std::move(pair));
  } else {
    *it = std::move(pair);
  }
}

void GgufPairs::SetString(std::string_view key, std::string_view value) {
  std::string bytes;
  AddString(bytes, value);
  Set({std::string(key), GgufType::kString, GgufType::kString, 1, std::move(bytes)});
}

void GgufPairs::SetStrings(std::string_view key, std::span<const std::string> values) {
  std::string bytes;
  for (const std::string& value : values) AddString(bytes, value);
  Set({std::string(key), GgufType::kArray, GgufType::kString, values.size(), std::move(bytes)});
}

void GgufPairs::Copy(std::string_view key, const GgufValue& value) {
  Set({std::string(key),
       value.type,
       value.element,
       value.count,
       {reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()}});
}

void GgufPairs::Erase(std::string_view key) {
  std::erase_if(pairs_, [&](const Pair& pair) { return pair.key == key; });
}

bool GgufPairs::Contains(std::string_view key) const {
  return std::any_of(pairs_.begin(), pairs_.end(),
                     [&](const Pair& pair) { return pair.key == key; });
}

uint64_t GgufTensor::Bytes() const {
  return DTypeBytes(dtype, static_cast<uint64_t>(*NumElements(shape)));
}

Result<GgufWriter> GgufWriter::Create(const std::filesystem::path& path, GgufPairs metadata,
                                      std::vector<GgufTensor> tensors,
                                      const GgufWriterOptions& options) {
  const std::string where = path.string();
  MOIETY_RETURN_IF_ERROR(Check(metadata, tensors, where));
  MOIETY_ASSIGN_OR_RETURN(const uint64_t alignment, AlignmentOf(metadata, where));
  for (const char* key : {"split.no", "split.count", "split.tensors.count"}) metadata.Erase(key);

  GgufWriter writer(path, alignment, std::move(tensors));
  writer.first_tensors_ = Split(writer.tensors_, options.split_max_bytes);
  const size_t count = writer.first_tensors_.size();
  if (count > kMaxParts) {
    return InvalidArgument(Format("{}: parts of {} bytes would make {} files, more than {}", where,
                                  options.split_max_bytes, count, kMaxParts));
  }
  for (size_t i = 0; i < count; ++i) {
    GgufPairs pairs = i == 0 ? metadata : GgufPairs();
    if (count > 1) {
      pairs.SetNumber("split.no", static_cast<uint16_t>(i));
      pairs.SetNumber("split.count", static_cast<uint16_t>(count));
      pairs.SetNumber("split.tensors.count", static_cast<int32_t>(writer.tensors_.size()));
      // What the first part says of all is not in the others, but for what shapes their data.
      if (i > 0 && alignment != kGgufDefaultAlignment) {
        pairs.SetNumber(kAlignmentKey, static_cast<uint32_t>(alignment));
      }
    }
    const size_t first = writer.first_tensors_[i];
    const size_t end = i + 1 < count ? writer.first_tensors_[i + 1] : writer.tensors_.size();
    const std::string header =
        HeaderText(pairs, std::span(writer.tensors_).subspan(first, end - first), alignment);
    const std::filesystem::path part_path = count > 1 ? PartPath(path, i, count) : path;
    MOIETY_ASSIGN_OR_RETURN(ReplacingFile file, ReplacingFile::Create(part_path));
    MOIETY_RETURN_IF_ERROR(file.Write(std::as_bytes(std::span(header))));
    writer.parts_.push_back({part_path, std::move(file)});
  }
  return writer;
}

Status GgufWriter::Append(std::span<const std::byte> bytes) {
  if (bytes.empty()) return OkStatus();
  const uint64_t size = tensor_ < tensors_.size() ? tensors_[tensor_].Bytes() : 0;
  if (bytes.size() > size - written_) {
    return InvalidArgument(Format("{}: {} bytes are more than the {} that tensor {} of {} lacks",
                                  path_.string(), bytes.size(), size - written_, tensor_,
                                  tensors_.size()));
  }
  if (part_ + 1 < parts_.size() && tensor_ == first_tensors_[part_ + 1]) ++part_;
  MOIETY_RETURN_IF_ERROR(parts_[part_].file.Write(bytes));
  written_ += bytes.size();
  if (written_ < size) return OkStatus();
  const std::string padding(RoundUp(size, alignment_) - size, '\0');
  written_ = 0;
  ++tensor_;
  return parts_[part_].file.Write(std::as_bytes(std::span(padding)));
}

Result<std::vector<std::filesystem::path>> GgufWriter::Finish() && {
  if (tensor_ < tensors_.size()) {
    return InvalidArgument(
        Format("{}: tensor {} is not complete", path_.string(), ShowJson(tensors_[tensor_].name)));
  }
  std::vector<std::filesystem::path> paths;
  for (Part& part : parts_) {
    MOIETY_RETURN_IF_ERROR(std::move(part.file).Commit());
    paths.push_back(std::move(part.path));
  }
  return paths;
}

}  // namespace moiety
