#include "store/weight_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/format.h"
#include "base/system_memory.h"
#include "io/mapped_file.h"
#include "ops/linear.h"
#include "quant/row_codec.h"

namespace moiety {
namespace {

// Far above any model. A config can ask for any number of experts: nothing but memory, of which
// each tensor also takes some for its name and place, bears it out.
constexpr size_t kMaxRandomTensors = size_t{1} << 18;

// Copies a vector to f32 and adds `offset`.
void WidenVector(const std::byte* from, DType dtype, int64_t count, float offset, float* to) {
  DecodeRow(dtype, from, count, to);
  if (offset == 0) return;
  for (int64_t i = 0; i < count; ++i) to[i] = to[i] + offset;
}

// Bytes of our own that a weight needs; 0 when it is read where it is mapped.
size_t OwnBytes(const Weight& weight, Residency residency, bool misaligned) {
  const auto count = static_cast<size_t>(*NumElements(weight.shape));
  if (weight.shape.size() == 1) return RoundUp(count * sizeof(float), kCacheLineBytes);
  if (residency == Residency::kMapped && !misaligned) return 0;
  return RoundUp(DTypeBytes(weight.dtype, count), kCacheLineBytes);
}

}  // namespace

const std::byte* WeightStore::FileBytes(const TensorInfo& info) const {
  return table_.files[static_cast<size_t>(info.file)]->bytes().data() + info.offset;
}

Status WeightStore::AddRandom(const std::string& name, const Shape& shape) {
  if (table_.tensors.contains(name)) return OkStatus();
  if (random_limit_ == 0) {
    const uint64_t all = AvailableMemoryBytes();
    const uint64_t available = all - all / 16;  // there is more to keep than weights
    random_limit_ = std::min(budget_.limit_bytes(), available == 0 ? UINT64_MAX : available);
  }
  if (table_.tensors.size() == kMaxRandomTensors) {
    return ResourceExhausted(
        Format("{}: random weights can have {} tensors at most", where_, kMaxRandomTensors));
  }
  const auto count = static_cast<uint64_t>(NumElements(shape).value_or(INT64_MAX));
  const uint64_t left = random_limit_ - std::min(random_limit_, declared_bytes_);
  if (count > left / DTypeBlockBytes(random_->dtype)) {
    return ResourceExhausted(Format("{}: random weights need more memory than the {} there is",
                                    where_, FormatBytes(random_limit_)));
  }
  table_.tensors[name] = {random_->dtype, shape, -1, 0, DTypeBytes(random_->dtype, count)};
  return OkStatus();
}

// Is there such a tensor of that shape and a type that can be read?
Status WeightStore::CheckDeclared(const std::string& name, const Shape& shape) const {
  const auto it = table_.tensors.find(name);
  if (it == table_.tensors.end()) {
    return NotFound(Format("{}: tensor {} is missing: the config needs it with shape {}", where_,
                           name, ShapeString(shape)));
  }
  const TensorInfo& info = it->second;
  const std::string file =
      random_.has_value() ? where_ : table_.files[static_cast<size_t>(info.file)]->path().string();
  if (info.shape != shape) {
    return InvalidData(Format("{}: tensor {}: the config needs shape {}, found {}", file, name,
                              ShapeString(shape), ShapeString(info.shape)));
  }
  const bool vector = shape.size() == 1;
  if (!(vector ? IsVectorType(info.dtype) : IsWeightType(info.dtype))) {
    return Unsupported(Format("{}: tensor {}: expected F32, F16{} BF16{}, found {}", file, name,
                              vector ? " or" : ",", vector ? "" : " or a block format",
                              DTypeName(info.dtype)));
  }
  return OkStatus();
}

Result<WeightRef> WeightStore::Declare(const WeightGroup& group, const std::string& name,
                                       const Shape& shape, float offset) {
  if (random_.has_value()) MOIETY_RETURN_IF_ERROR(AddRandom(name, shape));
  MOIETY_RETURN_IF_ERROR(CheckDeclared(name, shape));
  const TensorInfo& info = table_.tensors.find(name)->second;
  weights_.push_back({name, group, info.dtype, shape, nullptr, offset});
  if (by_name_.emplace(name, &weights_.back()).second) declared_bytes_ += info.size_bytes;
  return WeightRef(&weights_.back());
}

Status WeightStore::Load() {
  // A tensor may lie at any byte of its file; kernels read whole numbers, and blocks from anywhere.
  const auto misaligned = [&](const Weight& w) {
    if (random_.has_value()) return false;
    const auto address =
        reinterpret_cast<uintptr_t>(FileBytes(table_.tensors.find(w.name)->second));
    return !IsBlockFormat(w.dtype) && address % DTypeBlockBytes(w.dtype) != 0;
  };
  size_t own_bytes = 0;
  for (const auto& [name, weight] : by_name_)
    own_bytes += OwnBytes(*weight, residency_, misaligned(*weight));
  // Mapped weights count too: they fill memory as they are used.
  const uint64_t mapped_bytes = residency_ == Residency::kMapped ? declared_bytes_ : 0;
  MOIETY_ASSIGN_OR_RETURN(reservation_,
                          budget_.Reserve(MemoryUse::kWeights, own_bytes + mapped_bytes));
  if (own_bytes > 0) {
    memory_ = AllocateAligned(own_bytes);
    if (memory_ == nullptr) {
      return ResourceExhausted(Format("out of memory: no {} for weights", FormatBytes(own_bytes)));
    }
  }
  std::byte* next = memory_.get();
  for (auto& [name, weight] : by_name_) {
    const size_t size = OwnBytes(*weight, residency_, misaligned(*weight));
    if (random_.has_value()) {
      const int64_t count = *NumElements(weight->shape);
      if (weight->shape.size() == 1) {
        FillRandomVector(*pool_, *random_, name, count, reinterpret_cast<float*>(next));
      } else {
        FillRandomMatrix(*pool_, *random_, name, count, next);
      }
      weight->data = next;
      next += size;
      continue;
    }
    const std::byte* bytes = FileBytes(table_.tensors.find(name)->second);
    if (size == 0) {
      weight->data = bytes;
      continue;
    }
    if (weight->shape.size() == 1) {
      WidenVector(bytes, weight->dtype, weight->shape[0], weight->offset,
                  reinterpret_cast<float*>(next));
    } else {
      std::memcpy(next, bytes, table_.tensors.find(name)->second.size_bytes);
    }
    weight->data = next;
    next += size;
  }
  for (Weight& weight : weights_) weight.data = by_name_.find(weight.name)->second->data;
  return OkStatus();
}

std::vector<std::string> WeightStore::Unused() const {
  std::vector<std::string> names;
  for (const auto& [name, info] : table_.tensors) {
    if (!by_name_.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace moiety
