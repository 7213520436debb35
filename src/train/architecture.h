// Which published architecture a training config is: so that what was trained opens elsewhere.
#ifndef MOIETY_TRAIN_ARCHITECTURE_H_
#define MOIETY_TRAIN_ARCHITECTURE_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "moiety/status.h"
#include "train/config.h"

namespace moiety {

// Ids that config.json names, where the tokenizer has them.
struct SpecialIds {
  std::optional<int64_t> bos, eos, pad;
};

// config.json of the model as it is trained:
//   llama      no experts
//   mixtral    experts in every layer, chosen by renormalised top-k
//   qwen3      no experts, qk_norm
//   qwen3_moe  top-k experts, qk_norm; dense layers between them
//   qwen2_moe  top-k experts beside a shared one
//   moiety     any other routing strategy, and what else none of these expresses (models/moiety.cc)
// Routers that are top-k at inference count as such. `hash_table` is RouterOptions::table. Fails
// for a router that does not exist, and with kUnsupported for dense layers of several widths.
Result<nlohmann::json> HfConfigOf(const TrainConfig& config, int64_t vocab_size,
                                  const SpecialIds& ids, std::vector<int32_t> hash_table = {});

}  // namespace moiety

#endif  // MOIETY_TRAIN_ARCHITECTURE_H_
