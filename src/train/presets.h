// Whole training configs by name, of a size that a computer with a few processors can train.
#ifndef MOIETY_TRAIN_PRESETS_H_
#define MOIETY_TRAIN_PRESETS_H_

#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "train/config.h"

namespace moiety {

struct PresetInfo {
  std::string_view name;
  std::string_view about;  // one line for lists
};

std::vector<PresetInfo> Presets();

// Fails for an unknown name, with the nearest one.
Result<TrainConfig> Preset(std::string_view name);

// Takes a routing strategy with what it cannot do without, or what its paper has: top_k, capacity,
// no balancing loss where it balances otherwise. Fails for an unknown name, with the nearest one.
Status SetRouter(std::string_view name, TrainConfig& config);

}  // namespace moiety

#endif  // MOIETY_TRAIN_PRESETS_H_
