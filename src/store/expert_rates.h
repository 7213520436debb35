// What a run leaves behind for the next one: how often each expert was used.
#ifndef MOIETY_STORE_EXPERT_RATES_H_
#define MOIETY_STORE_EXPERT_RATES_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "store/cache_policy.h"
#include "tensor/tensor_table.h"

namespace moiety {

// The name of the file for a model: 16 hexadecimal digits of a hash over names, types, shapes and
// places of its tensors, the sizes of its files and the first bytes of `routers`.
std::string ExpertRatesName(const TensorTable& table, std::span<const std::string> routers);

// Nullopt if there is no such file, or none for this shape: a policy then begins without.
std::optional<ExpertRates> ReadExpertRates(const std::filesystem::path& path,
                                           const CacheShape& shape);
// Creates the folder if need be; the file is there whole or not at all.
Status WriteExpertRates(const std::filesystem::path& path, const CacheShape& shape,
                        const ExpertRates& rates);

// Counts visits, from what is known of earlier runs on.
class ExpertRateCounter {
 public:
  // `before` may be null.
  ExpertRateCounter(const CacheShape& shape, const ExpertRates* before);
  void OnVisit(int64_t layer, std::span<const int32_t> keys);
  ExpertRates rates() const;

 private:
  CacheShape shape_;
  ExpertRates uses_;           // by key, earlier runs standing for some visits
  std::vector<float> visits_;  // of each layer
};

}  // namespace moiety

#endif  // MOIETY_STORE_EXPERT_RATES_H_
