#include "store/weight_store.h"

#include <cstring>
#include <utility>

#include "base/format.h"
#include "io/mapped_file.h"
#include "ops/linear.h"

namespace moiety {
namespace {

// Copies a vector of f32, f16 or bf16 to f32.
void WidenVector(const std::byte* from, DType dtype, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) {
    if (dtype == DType::kF32) {
      std::memcpy(to + i, from + i * 4, 4);
      continue;
    }
    uint16_t bits = 0;
    std::memcpy(&bits, from + i * 2, 2);
    to[i] = dtype == DType::kF16 ? F16ToF32(bits) : BF16ToF32(bits);
  }
}

// Bytes of our own that a weight needs; 0 when it is read where it is mapped.
size_t OwnBytes(const Weight& weight, Residency residency, bool misaligned) {
  const auto count = static_cast<size_t>(*NumElements(weight.shape));
  if (weight.shape.size() == 1) return RoundUp(count * sizeof(float), kCacheLineBytes);
  if (residency == Residency::kMapped && !misaligned) return 0;
  return RoundUp(count * DTypeBytes(weight.dtype), kCacheLineBytes);
}

}  // namespace

const std::byte* WeightStore::FileBytes(const TensorInfo& info) const {
  return table_.files[static_cast<size_t>(info.file)]->bytes().data() + info.offset;
}

Result<WeightRef> WeightStore::Declare(const WeightGroup& group, const std::string& name,
                                       const Shape& shape) {
  const auto it = table_.tensors.find(name);
  if (it == table_.tensors.end()) {
    return NotFound(Format("{}: tensor {} is missing: the config needs it with shape {}", where_,
                           name, ShapeString(shape)));
  }
  const TensorInfo& info = it->second;
  const std::string file = table_.files[static_cast<size_t>(info.file)]->path().string();
  if (info.shape != shape) {
    return InvalidData(Format("{}: tensor {}: the config needs shape {}, found {}", file, name,
                              ShapeString(shape), ShapeString(info.shape)));
  }
  if (!WeightTypeOf(info.dtype).has_value()) {
    return Unsupported(Format("{}: tensor {}: expected F32, F16 or BF16, found {}", file, name,
                              DTypeName(info.dtype)));
  }
  weights_.push_back({name, group, info.dtype, shape, nullptr});
  if (by_name_.emplace(name, &weights_.back()).second) declared_bytes_ += info.size_bytes;
  return WeightRef(&weights_.back());
}

Status WeightStore::Load() {
  // A tensor may lie at any byte of its file; kernels read whole elements.
  const auto misaligned = [&](const Weight& w) {
    const auto address =
        reinterpret_cast<uintptr_t>(FileBytes(table_.tensors.find(w.name)->second));
    return address % DTypeBytes(w.dtype) != 0;
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
    const std::byte* bytes = FileBytes(table_.tensors.find(name)->second);
    const size_t size = OwnBytes(*weight, residency_, misaligned(*weight));
    if (size == 0) {
      weight->data = bytes;
      continue;
    }
    if (weight->shape.size() == 1) {
      WidenVector(bytes, weight->dtype, weight->shape[0], reinterpret_cast<float*>(next));
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
