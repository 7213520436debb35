#include "format/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/format.h"
#include "base/utf8.h"
#include "format/json.h"

namespace moiety {
namespace {

static_assert(std::endian::native == std::endian::little, "values are read as they lie");

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kMaxAlignment = uint64_t{1} << 30;
// What a pair and the description of a tensor have at least.
constexpr uint64_t kMinPairBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;

struct TypeRow {
  std::string_view name;
  uint64_t bytes;  // 0: not fixed
};
constexpr std::array<TypeRow, 13> kTypes = {{{"u8", 1},
                                             {"i8", 1},
                                             {"u16", 2},
                                             {"i16", 2},
                                             {"u32", 4},
                                             {"i32", 4},
                                             {"f32", 4},
                                             {"bool", 1},
                                             {"string", 0},
                                             {"array", 0},
                                             {"u64", 8},
                                             {"i64", 8},
                                             {"f64", 8}}};

struct GgmlType {
  uint32_t number;
  std::string_view name;
  std::optional<DType> dtype;
};
constexpr std::array<GgmlType, 36> kGgmlTypes = {{
    {0, "F32", DType::kF32},
    {1, "F16", DType::kF16},
    {2, "Q4_0", DType::kQ4_0},
    {3, "Q4_1", DType::kQ4_1},
    {6, "Q5_0", DType::kQ5_0},
    {7, "Q5_1", DType::kQ5_1},
    {8, "Q8_0", DType::kQ8_0},
    {9, "Q8_1", std::nullopt},
    {10, "Q2_K", DType::kQ2_K},
    {11, "Q3_K", DType::kQ3_K},
    {12, "Q4_K", DType::kQ4_K},
    {13, "Q5_K", DType::kQ5_K},
    {14, "Q6_K", DType::kQ6_K},
    {15, "Q8_K", std::nullopt},
    {16, "IQ2_XXS", std::nullopt},
    {17, "IQ2_XS", std::nullopt},
    {18, "IQ3_XXS", std::nullopt},
    {19, "IQ1_S", std::nullopt},
    {20, "IQ4_NL", DType::kIQ4_NL},
    {21, "IQ3_S", std::nullopt},
    {22, "IQ2_S", std::nullopt},
    {23, "IQ4_XS", DType::kIQ4_XS},
    {24, "I8", DType::kI8},
    {25, "I16", DType::kI16},
    {26, "I32", DType::kI32},
    {27, "I64", DType::kI64},
    {28, "F64", DType::kF64},
    {29, "IQ1_M", std::nullopt},
    {30, "BF16", DType::kBF16},
    {34, "TQ1_0", std::nullopt},
    {35, "TQ2_0", std::nullopt},
    {39, "MXFP4", DType::kMXFP4},
    {4, "Q4_2 (removed)", std::nullopt},
    {5, "Q4_3 (removed)", std::nullopt},
    {31, "Q4_0_4_4 (removed)", std::nullopt},
    {33, "Q4_0_8_8 (removed)", std::nullopt},
}};

template <class T>
T ReadAs(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// The bytes not read yet. Nothing is read that is not there.
class Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& where) : file_(file), where_(where) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return file_.size() - position_; }

  Result<std::span<const std::byte>> Bytes(uint64_t count, std::string_view what) {
    if (count > left()) {
      return InvalidData(Format("{}: {} needs {} bytes at byte {}, but the file has only {} more",
                                where_, what, count, position_, left()));
    }
    const auto bytes = file_.subspan(position_, count);
    position_ += count;
    return bytes;
  }
  template <class T>
  Result<T> Number(std::string_view what) {
    MOIETY_ASSIGN_OR_RETURN(const auto bytes, Bytes(sizeof(T), what));
    return ReadAs<T>(bytes.data());
  }
  Result<std::string_view> String(std::string_view what) {
    MOIETY_ASSIGN_OR_RETURN(const uint64_t length, Number<uint64_t>(what));
    MOIETY_ASSIGN_OR_RETURN(const auto bytes, Bytes(length, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  Result<GgufType> Type(std::string_view what) {
    MOIETY_ASSIGN_OR_RETURN(const uint32_t type, Number<uint32_t>(what));
    if (type >= kTypes.size()) {
      return InvalidData(
          Format("{}: {}: expected a type from 0 to 12, found {}", where_, what, type));
    }
    return static_cast<GgufType>(type);
  }
  const std::string& where() const { return where_; }

 private:
  std::span<const std::byte> file_;
  const std::string& where_;
  uint64_t position_ = 0;
};

// `count` values of one type, as they lie there.
Result<std::span<const std::byte>> ReadElements(Reader& reader, GgufType type, uint64_t count,
                                                std::span<const std::byte> file,
                                                std::string_view what) {
  const uint64_t size = kTypes[static_cast<size_t>(type)].bytes;
  if (size > 0) {
    if (count > reader.left() / size) {
      return InvalidData(
          Format("{}: {} has {} elements of {} bytes, but the file has only {} more bytes",
                 reader.where(), what, count, size, reader.left()));
    }
    return reader.Bytes(count * size, what);
  }
  const uint64_t begin = reader.position();
  for (uint64_t i = 0; i < count; ++i) MOIETY_RETURN_IF_ERROR(reader.String(what).status());
  return file.subspan(begin, reader.position() - begin);
}

Result<GgufValue> ReadValue(Reader& reader, std::span<const std::byte> file,
                            std::string_view what) {
  GgufValue value;
  MOIETY_ASSIGN_OR_RETURN(value.type, reader.Type(what));
  if (value.type == GgufType::kArray) {
    MOIETY_ASSIGN_OR_RETURN(value.element, reader.Type(what));
    MOIETY_ASSIGN_OR_RETURN(value.count, reader.Number<uint64_t>(what));
    if (value.element == GgufType::kArray) {
      return Unsupported(Format("{}: {}: an array of arrays", reader.where(), what));
    }
  } else {
    value.element = value.type;
  }
  MOIETY_ASSIGN_OR_RETURN(value.bytes,
                          ReadElements(reader, value.element, value.count, file, what));
  return value;
}

Status ReadMetadata(Reader& reader, std::span<const std::byte> file, uint64_t count,
                    GgufHeader& header) {
  std::set<std::string_view> seen;
  for (uint64_t i = 0; i < count; ++i) {
    MOIETY_ASSIGN_OR_RETURN(const std::string_view key, reader.String(Format("key {}", i)));
    if (!IsUtf8(key)) {
      return InvalidData(
          Format("{}: key {} is not UTF-8: {}", reader.where(), i, ShowJson(std::string(key))));
    }
    if (!seen.insert(key).second) {
      return InvalidData(
          Format("{}: key {} is there twice", reader.where(), ShowJson(std::string(key))));
    }
    MOIETY_ASSIGN_OR_RETURN(const GgufValue value,
                            ReadValue(reader, file, "the value of " + ShowJson(std::string(key))));
    header.metadata.emplace_back(key, value);
  }
  return OkStatus();
}

Result<uint64_t> ReadAlignment(const GgufHeader& header, const std::string& where) {
  const GgufValue* value = header.Find("general.alignment");
  if (value == nullptr) return kGgufDefaultAlignment;
  const std::optional<int64_t> alignment = value->Integer();
  if (!alignment.has_value() || *alignment <= 0 ||
      !std::has_single_bit(static_cast<uint64_t>(*alignment)) ||
      static_cast<uint64_t>(*alignment) > kMaxAlignment) {
    return InvalidData(Format("{}: general.alignment: expected a power of two up to 2^30, found {}",
                              where,
                              alignment.has_value() ? std::to_string(*alignment)
                                                    : std::string(GgufTypeName(value->type))));
  }
  return static_cast<uint64_t>(*alignment);
}

Result<DType> ReadTensorType(uint32_t number, const std::string& where) {
  for (const GgmlType& type : kGgmlTypes) {
    if (type.number != number) continue;
    if (type.dtype.has_value()) return *type.dtype;
    return Unsupported(Format("{}: type {} is not supported", where, type.name));
  }
  return InvalidData(Format("{}: unknown type {}", where, number));
}

// Offsets count from the start of the data, which is not known yet.
Result<TensorInfo> ReadTensor(Reader& reader, const std::string& where, uint64_t alignment) {
  TensorInfo info;
  MOIETY_ASSIGN_OR_RETURN(const uint32_t num_dims,
                          reader.Number<uint32_t>("the number of dimensions"));
  if (num_dims < 1 || num_dims > kGgufMaxDims) {
    return InvalidData(
        Format("{}: expected 1 to {} dimensions, found {}", where, kGgufMaxDims, num_dims));
  }
  for (uint32_t i = 0; i < num_dims; ++i) {
    MOIETY_ASSIGN_OR_RETURN(const uint64_t dim, reader.Number<uint64_t>("a dimension"));
    if (dim < 1 || dim > static_cast<uint64_t>(INT64_MAX)) {
      return InvalidData(Format("{}: a dimension of {}", where, dim));
    }
    info.shape.insert(info.shape.begin(), static_cast<int64_t>(dim));
  }
  MOIETY_ASSIGN_OR_RETURN(const uint32_t type, reader.Number<uint32_t>("the type of a tensor"));
  MOIETY_ASSIGN_OR_RETURN(info.dtype, ReadTensorType(type, where));
  MOIETY_ASSIGN_OR_RETURN(info.offset, reader.Number<uint64_t>("the offset of a tensor"));
  const auto block = static_cast<int64_t>(DTypeBlockValues(info.dtype));
  if (info.shape.back() % block != 0) {
    return InvalidData(Format("{}: rows of {} values, but {} has blocks of {}", where,
                              info.shape.back(), DTypeName(info.dtype), block));
  }
  const std::optional<int64_t> elements = NumElements(info.shape);
  if (!elements.has_value() ||
      __builtin_mul_overflow(static_cast<uint64_t>(*elements / block), DTypeBlockBytes(info.dtype),
                             &info.size_bytes)) {
    return InvalidData(Format("{}: shape {} of {} does not fit in 64 bits", where,
                              ShapeString(info.shape), DTypeName(info.dtype)));
  }
  if (info.offset % alignment != 0) {
    return InvalidData(Format("{}: offset {} is not a multiple of the alignment {}", where,
                              info.offset, alignment));
  }
  return info;
}

// Tensors inside the data, none over another.
Status CheckPlaces(const GgufHeader& header, uint64_t data_bytes, const std::string& where) {
  std::vector<std::pair<const std::string*, const TensorInfo*>> order;
  for (const auto& [name, info] : header.tensors) {
    if (info.offset > data_bytes || info.size_bytes > data_bytes - info.offset) {
      return InvalidData(Format(
          "{}: tensor {}: {} bytes at byte {} of the data, but the file has only {} bytes of data",
          where, ShowJson(name), info.size_bytes, info.offset, data_bytes));
    }
    order.emplace_back(&name, &info);
  }
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.second->offset < b.second->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    const auto& [name, info] = order[i - 1];
    if (info->offset + info->size_bytes <= order[i].second->offset) continue;
    return InvalidData(
        Format("{}: tensors {} and {} overlap", where, ShowJson(*name), ShowJson(*order[i].first)));
  }
  return OkStatus();
}

Status CheckVersion(uint32_t version, const std::string& where) {
  if (version == 2 || version == 3) return OkStatus();
  if (version == 1) return Unsupported(Format("{}: GGUF version 1; expected 2 or 3", where));
  const uint32_t swapped = __builtin_bswap32(version);
  if (swapped == 2 || swapped == 3) {
    return Unsupported(Format("{}: a GGUF file for big-endian machines", where));
  }
  return InvalidData(Format("{}: expected GGUF version 2 or 3, found {}", where, version));
}

// Calls body(element) for each, as it lies there, until one says no.
template <class Body>
bool ForElements(const GgufValue& value, const Body& body) {
  const uint64_t size = kTypes[static_cast<size_t>(value.element)].bytes;
  const std::byte* at = value.bytes.data();
  for (uint64_t i = 0; i < value.count; ++i) {
    uint64_t length = size;
    if (size == 0) {
      length = ReadAs<uint64_t>(at);
      at += sizeof(uint64_t);
    }
    if (!body(at, length)) return false;
    at += length;
  }
  return true;
}

std::optional<int64_t> IntegerAt(GgufType type, const std::byte* at) {
  switch (type) {
    case GgufType::kU8:
      return ReadAs<uint8_t>(at);
    case GgufType::kI8:
      return ReadAs<int8_t>(at);
    case GgufType::kU16:
      return ReadAs<uint16_t>(at);
    case GgufType::kI16:
      return ReadAs<int16_t>(at);
    case GgufType::kU32:
      return ReadAs<uint32_t>(at);
    case GgufType::kI32:
      return ReadAs<int32_t>(at);
    case GgufType::kI64:
      return ReadAs<int64_t>(at);
    case GgufType::kU64: {
      const auto value = ReadAs<uint64_t>(at);
      if (value > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> NumberAt(GgufType type, const std::byte* at) {
  if (type == GgufType::kF32) return static_cast<double>(ReadAs<float>(at));
  if (type == GgufType::kF64) return ReadAs<double>(at);
  const std::optional<int64_t> integer = IntegerAt(type, at);
  if (!integer.has_value()) return std::nullopt;
  return static_cast<double>(*integer);
}

// All elements, if each of them is a T.
template <class T, class At>
std::optional<std::vector<T>> AllOf(const GgufValue& value, const At& at) {
  if (value.type != GgufType::kArray) return std::nullopt;
  std::vector<T> all;
  const bool ok = ForElements(value, [&](const std::byte* bytes, uint64_t length) {
    const std::optional<T> element = at(bytes, length);
    if (element.has_value()) all.push_back(*element);
    return element.has_value();
  });
  if (!ok) return std::nullopt;
  return all;
}

}  // namespace

std::string_view GgufTypeName(GgufType type) { return kTypes[static_cast<size_t>(type)].name; }

std::optional<int64_t> GgufValue::Integer() const {
  return type == GgufType::kArray ? std::nullopt : IntegerAt(type, bytes.data());
}

std::optional<double> GgufValue::Number() const {
  return type == GgufType::kArray ? std::nullopt : NumberAt(type, bytes.data());
}

std::optional<bool> GgufValue::Bool() const {
  if (type != GgufType::kBool) return std::nullopt;
  return bytes[0] != std::byte{0};
}

std::optional<std::string_view> GgufValue::String() const {
  if (type != GgufType::kString) return std::nullopt;
  const auto text = bytes.subspan(sizeof(uint64_t));
  return std::string_view(reinterpret_cast<const char*>(text.data()), text.size());
}

std::optional<std::vector<std::string_view>> GgufValue::Strings() const {
  if (element != GgufType::kString) return std::nullopt;
  return AllOf<std::string_view>(*this, [](const std::byte* at, uint64_t length) {
    return std::optional(std::string_view(reinterpret_cast<const char*>(at), length));
  });
}

std::optional<std::vector<int64_t>> GgufValue::Integers() const {
  return AllOf<int64_t>(*this,
                        [&](const std::byte* at, uint64_t) { return IntegerAt(element, at); });
}

std::optional<std::vector<double>> GgufValue::Numbers() const {
  return AllOf<double>(*this, [&](const std::byte* at, uint64_t) { return NumberAt(element, at); });
}

const GgufValue* GgufHeader::Find(std::string_view key) const {
  const auto it = std::find_if(metadata.begin(), metadata.end(),
                               [&](const auto& pair) { return pair.first == key; });
  return it == metadata.end() ? nullptr : &it->second;
}

bool HasGgufMagic(std::span<const std::byte> file) {
  return file.size() >= kMagic.size() &&
         std::memcmp(file.data(), kMagic.data(), kMagic.size()) == 0;
}

Result<GgufHeader> ParseGgufHeader(std::span<const std::byte> file, const std::string& where) {
  if (!HasGgufMagic(file)) return InvalidData(Format("{}: not a GGUF file", where));
  Reader reader(file, where);
  MOIETY_RETURN_IF_ERROR(reader.Bytes(kMagic.size(), "the header").status());
  GgufHeader header;
  MOIETY_ASSIGN_OR_RETURN(header.version, reader.Number<uint32_t>("the version"));
  MOIETY_RETURN_IF_ERROR(CheckVersion(header.version, where));
  MOIETY_ASSIGN_OR_RETURN(const uint64_t num_tensors, reader.Number<uint64_t>("the header"));
  MOIETY_ASSIGN_OR_RETURN(const uint64_t num_pairs, reader.Number<uint64_t>("the header"));
  if (num_pairs > reader.left() / kMinPairBytes || num_tensors > reader.left() / kMinTensorBytes) {
    return InvalidData(Format("{}: {} keys and {} tensors do not fit the {} bytes of the file",
                              where, num_pairs, num_tensors, file.size()));
  }
  MOIETY_RETURN_IF_ERROR(ReadMetadata(reader, file, num_pairs, header));
  MOIETY_ASSIGN_OR_RETURN(header.alignment, ReadAlignment(header, where));
  for (uint64_t i = 0; i < num_tensors; ++i) {
    MOIETY_ASSIGN_OR_RETURN(const std::string_view view,
                            reader.String(Format("the name of tensor {}", i)));
    const std::string name(view);
    const std::string here = Format("{}: tensor {}", where, ShowJson(name));
    if (!IsUtf8(name)) return InvalidData(Format("{}: the name is not UTF-8", here));
    MOIETY_ASSIGN_OR_RETURN(TensorInfo info, ReadTensor(reader, here, header.alignment));
    if (!header.tensors.emplace(name, std::move(info)).second) {
      return InvalidData(Format("{} is there twice", here));
    }
  }
  // The data may be missing where there are no tensors.
  const uint64_t rest = reader.position() % header.alignment;
  const uint64_t padding = std::min(rest == 0 ? 0 : header.alignment - rest, reader.left());
  MOIETY_RETURN_IF_ERROR(reader.Bytes(padding, "the padding").status());
  MOIETY_RETURN_IF_ERROR(CheckPlaces(header, reader.left(), where));
  for (auto& [name, info] : header.tensors) info.offset += reader.position();
  return header;
}

std::optional<uint32_t> GgmlTypeOf(DType dtype) {
  const auto* const it = std::find_if(kGgmlTypes.begin(), kGgmlTypes.end(),
                                      [&](const GgmlType& type) { return type.dtype == dtype; });
  if (it == kGgmlTypes.end()) return std::nullopt;
  return it->number;
}

std::optional<DType> DTypeOfGgml(uint32_t type) {
  const auto* const it = std::find_if(kGgmlTypes.begin(), kGgmlTypes.end(),
                                      [&](const GgmlType& row) { return row.number == type; });
  return it == kGgmlTypes.end() ? std::nullopt : it->dtype;
}

}  // namespace moiety
