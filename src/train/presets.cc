#include "train/presets.h"

#include <iterator>

#include "base/format.h"
#include "base/nearest_name.h"

namespace moiety {
namespace {

// Learns a text of a megabyte in minutes.
TrainConfig Tiny() {
  TrainConfig c;
  c.model.vocab_size = 1024;
  c.model.d_model = 128;
  c.model.num_layers = 4;
  c.model.num_heads = 4;
  c.model.num_kv_heads = 2;
  c.model.d_feed_forward = 512;
  c.model.d_expert = 256;
  c.model.context_length = 256;
  c.data.sequence_length = 128;
  c.optimizer.lr = 2e-3;
  c.schedule.warmup_steps = 50;
  c.loop.steps = 1000;
  c.loop.batch_sequences = 16;
  c.loop.micro_batch_sequences = 8;
  return c;
}

// Mixtral's shape (Jiang et al. 2024): top-2 of 8 experts in every layer. Some hours.
TrainConfig Small() {
  TrainConfig c;
  c.model.vocab_size = 4096;
  c.schedule.warmup_steps = 200;
  c.loop.steps = 10000;
  c.loop.micro_batch_sequences = 4;
  c.loop.validate_every = 500;
  c.loop.save_every = 500;
  return c;
}

// Du et al. 2022: top-2 of many experts in every second layer, z-loss for a stable softmax.
TrainConfig Glam() {
  TrainConfig c = Small();
  c.model.num_experts = 32;
  c.model.d_expert = 1024;
  c.model.moe_every = 2;
  c.model.qk_norm = true;  // qwen3_moe has such layers
  c.router.balance_loss = 0.01;
  c.router.z_loss = 1e-4;
  return c;
}

struct PresetRow {
  PresetInfo info;
  TrainConfig (*make)();
};

constexpr PresetRow kPresets[] = {
    {{"tiny", "top-2 of 8 experts, 4 layers of 128: minutes"}, Tiny},
    {{"small", "top-2 of 8 experts, 6 layers of 256: hours"}, Small},
    {{"glam", "top-2 of 32 experts in every second layer"}, Glam},
};

}  // namespace

std::vector<PresetInfo> Presets() {
  std::vector<PresetInfo> presets;
  for (const PresetRow& row : kPresets) presets.push_back(row.info);
  return presets;
}

Result<TrainConfig> Preset(std::string_view name) {
  std::vector<std::string_view> names;
  for (const PresetRow& row : kPresets) {
    if (row.info.name == name) return row.make();
    names.push_back(row.info.name);
  }
  return InvalidArgument(
      Format("unknown preset \"{}\"; did you mean \"{}\"?", name, NearestName(name, names)));
}

}  // namespace moiety
