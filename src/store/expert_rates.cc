#include "store/expert_rates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <system_error>

#include "base/format.h"
#include "io/mapped_file.h"

namespace moiety {
namespace {

constexpr std::string_view kMagic = "moiety-expert-rates-1\n";
// All earlier runs count as many visits: what is used changes with what users do.
constexpr float kRemembered = 1000;
constexpr size_t kHashedRouterBytes = 4096;

// FNV-1a.
class ModelHash {
 public:
  void Add(const void* data, size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < size; ++i) hash_ = (hash_ ^ bytes[i]) * 0x100000001B3;
  }
  void Add(std::string_view text) {
    Add(text.data(), text.size());
    Add(static_cast<int64_t>(text.size()));
  }
  void Add(int64_t number) { Add(&number, sizeof(number)); }
  uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0xCBF29CE484222325;
};

std::string Heading(const CacheShape& shape) {
  return Format("{}{} {}\n", kMagic, shape.num_layers, shape.num_experts);
}

}  // namespace

std::string ExpertRatesName(const TensorTable& table, std::span<const std::string> routers) {
  ModelHash hash;
  for (const auto& file : table.files) hash.Add(static_cast<int64_t>(file->bytes().size()));
  for (const auto& [name, info] : table.tensors) {
    hash.Add(name);
    hash.Add(DTypeName(info.dtype));
    for (const int64_t dim : info.shape) hash.Add(dim);
    hash.Add(static_cast<int64_t>(info.file));
    hash.Add(static_cast<int64_t>(info.offset));
  }
  for (const std::string& router : routers) {
    const TensorInfo& info = table.tensors.find(router)->second;
    std::array<std::byte, kHashedRouterBytes> bytes;
    const size_t size = std::min<size_t>(bytes.size(), info.size_bytes);
    // One that cannot be read is an error when it is loaded.
    if (table.files[static_cast<size_t>(info.file)]
            ->ReadAt(info.offset, {bytes.data(), size})
            .ok()) {
      hash.Add(bytes.data(), size);
    }
  }
  return Format("{:016x}", hash.hash());
}

std::optional<ExpertRates> ReadExpertRates(const std::filesystem::path& path,
                                           const CacheShape& shape) {
  const std::string heading = Heading(shape);
  ExpertRates rates(static_cast<size_t>(shape.num_keys()));
  const uint64_t size = heading.size() + rates.size() * sizeof(float);
  const Result<std::string> text = ReadFile(path, size);
  if (!text.ok() || text->size() != size || text->compare(0, heading.size(), heading) != 0) {
    return std::nullopt;
  }
  std::memcpy(rates.data(), text->data() + heading.size(), rates.size() * sizeof(float));
  const bool sound =
      std::all_of(rates.begin(), rates.end(), [](float rate) { return rate >= 0 && rate <= 1; });
  return sound ? std::optional(std::move(rates)) : std::nullopt;
}

Status WriteExpertRates(const std::filesystem::path& path, const CacheShape& shape,
                        const ExpertRates& rates) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  std::filesystem::path part = path;
  part += ".part";
  std::FILE* const file = std::fopen(part.c_str(), "we");
  if (file == nullptr) return IoError(Format("{}: cannot write", part.string()));
  const std::string heading = Heading(shape);
  const bool written = std::fwrite(heading.data(), 1, heading.size(), file) == heading.size() &&
                       std::fwrite(rates.data(), sizeof(float), rates.size(), file) == rates.size();
  if (std::fclose(file) != 0 || !written) {
    return IoError(Format("{}: cannot write", part.string()));
  }
  std::filesystem::rename(part, path, error);
  return error ? IoError(Format("{}: cannot write: {}", path.string(), error.message()))
               : OkStatus();
}

ExpertRateCounter::ExpertRateCounter(const CacheShape& shape, const ExpertRates* before)
    : shape_(shape),
      uses_(static_cast<size_t>(shape.num_keys()), 0),
      visits_(static_cast<size_t>(shape.num_layers), 0) {
  if (before == nullptr) return;
  for (size_t key = 0; key < uses_.size(); ++key) uses_[key] = (*before)[key] * kRemembered;
  std::fill(visits_.begin(), visits_.end(), kRemembered);
}

void ExpertRateCounter::OnVisit(int64_t layer, std::span<const int32_t> keys) {
  ++visits_[static_cast<size_t>(layer)];
  for (const int32_t key : keys) ++uses_[static_cast<size_t>(key)];
}

ExpertRates ExpertRateCounter::rates() const {
  ExpertRates rates = uses_;
  for (int64_t key = 0; key < shape_.num_keys(); ++key) {
    const float visits = visits_[static_cast<size_t>(shape_.layer_of(static_cast<int32_t>(key)))];
    float& rate = rates[static_cast<size_t>(key)];
    rate = visits > 0 ? std::min(1.0F, rate / visits) : 0;
  }
  return rates;
}

}  // namespace moiety
