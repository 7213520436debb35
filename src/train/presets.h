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

}  // namespace moiety

#endif  // MOIETY_TRAIN_PRESETS_H_
