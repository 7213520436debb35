#include "store/weight_store.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/format.h"
#include "base/system_memory.h"
#include "io/mapped_file.h"
#include "ops/linear.h"
#include "quant/block_format.h"
#include "quant/number_panels.h"
#include "quant/panels.h"
#include "quant/row_codec.h"
#include "quant/weight_panels.h"
#include "store/expert_rates.h"

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

// Rows of a matrix that a task copies.
constexpr int64_t kCopiedRows = 1024;
static_assert(kCopiedRows % kPanelOutputs == 0 && kCopiedRows % kNumberPanelOutputs == 0);
// What a task reads at once stays in the cache, if a panel does.
constexpr int64_t kReadBytes = 256 << 10;
// Left beside repacked weights for the KV cache and buffers, at least.
constexpr uint64_t kOtherMemory = uint64_t{1} << 30;

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
  const DType dtype = residency_ == Residency::kTrained ? DType::kF32 : info.dtype;
  weights_.push_back({name, group, dtype, shape, nullptr, offset});
  if (by_name_.emplace(name, &weights_.back()).second) {
    declared_bytes_ += info.size_bytes;
  } else {
    shared_.insert(name);
  }
  if (group.kind != WeightKind::kEmbedding) multiplied_.insert(name);
  return WeightRef(&weights_.back());
}

bool WeightStore::CanStream(const Weight& weight) const {
  return weight.group.kind == WeightKind::kExpert && weight.shape.size() == 2 &&
         !random_.has_value() && !shared_.contains(weight.name) && *NumElements(weight.shape) > 0;
}

bool WeightStore::IsRepacked(const Weight& weight) const {
  const bool stays = residency_ == Residency::kMapped || residency_ == Residency::kTrained ||
                     (random_.has_value() && random_->trained);
  return !stays && !IsStreamed(weight) && HasPanels(weight.dtype, weight.shape) &&
         multiplied_.contains(weight.name);
}

size_t WeightStore::OwnBytes(const Weight& weight) const {
  const auto count = static_cast<size_t>(*NumElements(weight.shape));
  if (weight.shape.size() == 1) return RoundUp(count * sizeof(float), kCacheLineBytes);
  if (IsStreamed(weight)) return 0;
  const bool in_place = residency_ == Residency::kMapped || residency_ == Residency::kRepacked;
  if (in_place && !IsRepacked(weight)) {
    // A tensor may lie at any byte of its file; kernels read whole numbers, and blocks from
    // anywhere.
    const std::byte* bytes = FileBytes(table_.tensors.find(weight.name)->second);
    if (IsBlockFormat(weight.dtype) ||
        reinterpret_cast<uintptr_t>(bytes) % DTypeBlockBytes(weight.dtype) == 0) {
      return 0;
    }
  }
  return RoundUp(DTypeBytes(weight.dtype, count), kCacheLineBytes);
}

uint64_t WeightStore::AllOwnBytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, weight] : by_name_) bytes += OwnBytes(*weight);
  return bytes;
}

CacheShape WeightStore::StreamedExperts(std::vector<StreamedExpert>& experts) const {
  CacheShape shape;
  for (const auto& [name, weight] : by_name_) {
    if (!CanStream(*weight)) continue;
    shape.num_layers = std::max<int64_t>(shape.num_layers, weight->group.layer + 1);
    shape.num_experts = std::max<int64_t>(shape.num_experts, weight->group.index + 1);
  }
  std::map<int32_t, StreamedExpert> by_key;
  for (const auto& [name, weight] : by_name_) {
    if (!CanStream(*weight)) continue;
    const TensorInfo& info = table_.tensors.find(name)->second;
    const int64_t key = weight->group.layer * shape.num_experts + weight->group.index;
    StreamedExpert& expert = by_key[static_cast<int32_t>(key)];
    expert.key = static_cast<int32_t>(key);
    expert.matrices.push_back({weight, info.file, info.offset, info.size_bytes});
  }
  experts.clear();
  for (auto& [key, expert] : by_key) experts.push_back(std::move(expert));
  return shape;
}

// What memory does not hold repacked is streamed, or where there are no experts stays in its files.
void WeightStore::ChooseResidency(uint64_t others_bytes) {
  if (residency_ != Residency::kRepacked || random_.has_value()) return;
  uint64_t repacked = 0;
  bool has_experts = false;
  for (const auto& [name, weight] : by_name_) {
    if (IsRepacked(*weight)) repacked += table_.tensors.find(name)->second.size_bytes;
    has_experts = has_experts || CanStream(*weight);
  }
  const uint64_t limit = budget_.limit_bytes();
  if (limit != MemoryBudget::kUnlimited && has_experts) {
    const uint64_t mapped = declared_bytes_ - repacked;
    if (AllOwnBytes() + mapped + others_bytes > limit) residency_ = Residency::kStreamed;
    return;
  }
  const uint64_t usable = DefaultMemoryLimit();
  if (usable == 0) return;
  if (has_experts && declared_bytes_ + kOtherMemory > usable) {
    residency_ = Residency::kStreamed;
    budget_.SetLimit(usable);
  } else if (repacked > 0 && repacked + kOtherMemory > usable) {
    residency_ = Residency::kMapped;
  } else if (limit == MemoryBudget::kUnlimited && declared_bytes_ + kOtherMemory <= usable) {
    budget_.SetLimit(usable);  // what is beside the weights must not fill the machine either
  }
}

Status WeightStore::Reserve() {
  uint64_t repacked = 0;
  uint64_t streamed = 0;
  for (const auto& [name, weight] : by_name_) {
    const uint64_t size = table_.tensors.find(name)->second.size_bytes;
    if (IsRepacked(*weight)) repacked += size;
    if (IsStreamed(*weight)) streamed += size;
  }
  streamed_bytes_ = streamed;
  const bool in_place = residency_ == Residency::kMapped || residency_ == Residency::kRepacked;
  mapped_bytes_ = in_place ? declared_bytes_ - repacked : 0;
  const uint64_t bytes = AllOwnBytes();
  // Mapped weights count too: they fill memory as they are used.
  MOIETY_ASSIGN_OR_RETURN(reservation_,
                          budget_.Reserve(MemoryUse::kWeights, bytes + mapped_bytes_));
  if (bytes == 0) return OkStatus();
  memory_ = AllocateAligned(bytes);
  if (memory_ == nullptr) {
    return ResourceExhausted(Format("out of memory: no {} for weights", FormatBytes(bytes)));
  }
  return OkStatus();
}

// Before anything is read: whether the limit leaves room for what is needed beside experts.
Status WeightStore::StartStreaming(uint64_t others_bytes) {
  std::vector<StreamedExpert> experts;
  const CacheShape shape = StreamedExperts(experts);
  if (experts.empty()) {
    return Unsupported(Format("{}: has no experts to stream from disk", where_));
  }
  if (shape.num_layers > INT32_MAX / shape.num_experts) {
    return Unsupported(Format("{}: {} layers of {} experts are more than can be streamed", where_,
                              shape.num_layers, shape.num_experts));
  }
  const uint64_t slots = ExpertStreamer::kMinSlots * ExpertStreamer::SlotBytes(experts);
  const uint64_t own = AllOwnBytes();
  const uint64_t limit = budget_.limit_bytes();
  if (limit < own + slots + others_bytes) {
    // Rounded up, so that what is said here works when it is given.
    const uint64_t least = (own + slots + others_bytes + 99'999) / 100'000;
    return ResourceExhausted(Format(
        "{}: a memory limit of {} is too small: the least that works is {}.{}M ({} of weights that "
        "every token needs, {} for two experts, {} for the KV cache and buffers)",
        where_, FormatBytes(limit), least / 10, least % 10, FormatBytes(own), FormatBytes(slots),
        FormatBytes(others_bytes)));
  }
  std::filesystem::path rates_path;
  std::optional<ExpertRates> rates;
  if (!streaming_.rates_folder.empty()) {
    std::vector<std::string> routers;
    for (const auto& [name, weight] : by_name_) {
      if (weight->group.kind == WeightKind::kRouter) routers.push_back(name);
    }
    rates_path = streaming_.rates_folder / (ExpertRatesName(table_, routers) + ".rates");
    rates = ReadExpertRates(rates_path, shape);
  }
  const ExpertRates* const before = rates.has_value() ? &*rates : nullptr;
  MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<CachePolicy> policy,
                          MakeCachePolicy(streaming_.policy, shape, {before}));
  MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<RangeReader> reader,
                          OpenRangeReader(table_.files, streaming_.method));
  if (streaming_.wrap_reader != nullptr) reader = streaming_.wrap_reader(std::move(reader));
  MOIETY_RETURN_IF_ERROR(Reserve());
  MOIETY_RETURN_IF_ERROR(streamer_.Start(shape, std::move(experts), std::move(reader),
                                         std::move(policy), budget_, pool_));
  if (!rates_path.empty()) streamer_.KeepRates(std::move(rates_path), before);
  return OkStatus();
}

StreamNeeds WeightStore::NeedsOfStreaming() const {
  std::vector<StreamedExpert> experts;
  const CacheShape shape = StreamedExperts(experts);
  StreamNeeds needs;
  needs.num_experts = static_cast<int64_t>(experts.size());
  needs.slot_bytes = ExpertStreamer::SlotBytes(experts);
  std::set<int64_t> layers;
  for (const StreamedExpert& expert : experts) layers.insert(shape.layer_of(expert.key));
  needs.num_layers = static_cast<int64_t>(layers.size());
  for (const auto& [name, weight] : by_name_) {
    const auto count = static_cast<uint64_t>(*NumElements(weight->shape));
    if (CanStream(*weight)) {
      needs.streamed_bytes += DTypeBytes(weight->dtype, count);
    } else {
      needs.resident_bytes += RoundUp(
          weight->shape.size() == 1 ? count * sizeof(float) : DTypeBytes(weight->dtype, count),
          kCacheLineBytes);
    }
  }
  return needs;
}

void WeightStore::FillRandom(Weight& weight, std::byte* to) const {
  const int64_t count = *NumElements(weight.shape);
  if (weight.shape.size() == 1) {
    FillRandomVector(*pool_, *random_, weight.name, count, reinterpret_cast<float*>(to));
  } else {
    FillRandomMatrix(*pool_, *random_, weight.name, count, to);
  }
}

Status WeightStore::CopyRows(const Weight& weight, int64_t begin, int64_t end,
                             std::byte* to) const {
  const TensorInfo& info = table_.tensors.find(weight.name)->second;
  const MappedFile& file = *table_.files[static_cast<size_t>(info.file)];
  const auto row_bytes = info.size_bytes / static_cast<uint64_t>(weight.shape[0]);
  const auto read = [&](int64_t first, int64_t last, std::byte* bytes) {
    return file.ReadAt(info.offset + static_cast<uint64_t>(first) * row_bytes,
                       {bytes, static_cast<uint64_t>(last - first) * row_bytes});
  };
  // Room for some rows as the file has them.
  const auto make_buffer = [&](int64_t rows) -> Result<AlignedBytes> {
    const size_t bytes = static_cast<uint64_t>(rows) * row_bytes;
    AlignedBytes buffer = AllocateAligned(bytes);
    if (buffer == nullptr) {
      return ResourceExhausted(
          Format("out of memory: no {} for reading weights", FormatBytes(bytes)));
    }
    return buffer;
  };
  if (residency_ == Residency::kTrained) {
    const int64_t cols = weight.shape[1];
    const int64_t step =
        std::clamp(kReadBytes / static_cast<int64_t>(row_bytes), int64_t{1}, end - begin);
    MOIETY_ASSIGN_OR_RETURN(const AlignedBytes rows, make_buffer(step));
    auto* const values = reinterpret_cast<float*>(to);
    for (int64_t first = begin; first < end; first += step) {
      const int64_t last = std::min(end, first + step);
      MOIETY_RETURN_IF_ERROR(read(first, last, rows.get()));
      for (int64_t row = first; row < last; ++row) {
        DecodeRow(info.dtype, rows.get() + static_cast<uint64_t>(row - first) * row_bytes, cols,
                  values + row * cols);
      }
    }
    return OkStatus();
  }
  const auto at = [&](int64_t row) { return to + static_cast<uint64_t>(row) * row_bytes; };
  if (weight.layout == BlockLayout::kRows) return read(begin, end, at(begin));
  const int64_t outputs = PanelOutputsOf(weight.dtype);
  const int64_t panel_bytes = outputs * static_cast<int64_t>(row_bytes);
  const int64_t read_rows = std::max(int64_t{1}, kReadBytes / panel_bytes) * outputs;
  MOIETY_ASSIGN_OR_RETURN(const AlignedBytes rows, make_buffer(read_rows));
  const int64_t in_panels = end / outputs * outputs;
  for (int64_t first = begin; first < in_panels; first += read_rows) {
    const int64_t last = std::min(in_panels, first + read_rows);
    MOIETY_RETURN_IF_ERROR(read(first, last, rows.get()));
    MakePanels(weight.dtype, rows.get(), weight.shape[1], last - first, at(first));
  }
  return read(in_panels, end, at(in_panels));
}

Status WeightStore::CopyMatrices(std::span<const std::pair<Weight*, std::byte*>> copies) const {
  std::vector<int64_t> first_task = {0};
  for (const auto& [weight, to] : copies) {
    first_task.push_back(first_task.back() + (weight->shape[0] + kCopiedRows - 1) / kCopiedRows);
  }
  std::vector<Status> statuses(static_cast<size_t>(first_task.back()));
  const auto copy = [&](int64_t task) {
    const auto next = std::upper_bound(first_task.begin(), first_task.end(), task);
    const auto index = static_cast<size_t>(next - first_task.begin() - 1);
    const auto& [weight, to] = copies[index];
    const int64_t begin = (task - first_task[index]) * kCopiedRows;
    statuses[static_cast<size_t>(task)] =
        CopyRows(*weight, begin, std::min(weight->shape[0], begin + kCopiedRows), to);
  };
  if (pool_ == nullptr) {
    for (int64_t task = 0; task < first_task.back(); ++task) copy(task);
  } else {
    pool_->ParallelFor(first_task.back(), copy);
  }
  for (Status& status : statuses) MOIETY_RETURN_IF_ERROR(std::move(status));
  return OkStatus();
}

Status WeightStore::Load(uint64_t others_bytes) {
  ChooseResidency(others_bytes);
  MOIETY_RETURN_IF_ERROR(residency_ == Residency::kStreamed ? StartStreaming(others_bytes)
                                                            : Reserve());
  std::byte* next = memory_.get();
  std::vector<std::pair<Weight*, std::byte*>> copies;
  for (auto& [name, weight] : by_name_) {
    if (IsStreamed(*weight)) continue;
    const size_t size = OwnBytes(*weight);
    weight->data = next;
    if (random_.has_value()) {
      FillRandom(*weight, next);
      if (IsRepacked(*weight)) {
        weight->layout = BlockLayout::kPanels;
        MakePanelsInPlace(weight->dtype, weight->shape, next, pool_);
      }
    } else if (size == 0) {
      weight->data = FileBytes(table_.tensors.find(name)->second);
    } else if (weight->shape.size() == 1) {
      const TensorInfo& info = table_.tensors.find(name)->second;
      WidenVector(FileBytes(info), info.dtype, weight->shape[0], weight->offset,
                  reinterpret_cast<float*>(next));
    } else {
      if (IsRepacked(*weight)) weight->layout = BlockLayout::kPanels;
      copies.emplace_back(weight, next);
    }
    next += size;
  }
  MOIETY_RETURN_IF_ERROR(CopyMatrices(copies));
  for (Weight& weight : weights_) {
    const Weight& loaded = *by_name_.find(weight.name)->second;
    weight.data = loaded.data;
    weight.layout = loaded.layout;
  }
  return OkStatus();
}

std::span<float> WeightStore::Values(WeightRef weight) {
  MOIETY_CHECK(AllAreCopied() && weight->dtype == DType::kF32 && weight->data != nullptr);
  // All that the store copied is in memory_, which is its own.
  auto* const values = reinterpret_cast<float*>(const_cast<std::byte*>(weight->data));
  return {values, static_cast<size_t>(*NumElements(weight->shape))};
}

void WeightStore::ReadInBf16(WeightRef weight, const uint16_t* rounded, const uint32_t* pairs) {
  const auto it = std::find_if(weights_.begin(), weights_.end(),
                               [&](const Weight& w) { return &w == weight.operator->(); });
  MOIETY_CHECK(it != weights_.end() && AllAreCopied());
  it->dtype = DType::kBF16;
  it->data = reinterpret_cast<const std::byte*>(rounded);
  it->bf16_pairs = pairs;
}

std::vector<std::string> WeightStore::Unused() const {
  std::vector<std::string> names;
  for (const auto& [name, info] : table_.tensors) {
    if (!by_name_.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace moiety
