#include "train/presets.h"

#include <iterator>

#include "base/format.h"
#include "base/nearest_name.h"
#include "routing/router.h"

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
  c.router.losses.balance = 0.01;
  c.router.losses.z = 1e-4;
  return c;
}

struct PresetRow {
  PresetInfo info;
  TrainConfig (*make)();
};

// Fedus et al. 2022: the most probable expert, with a capacity.
TrainConfig Switch() {
  TrainConfig c = Small();
  c.model.qk_norm = true;  // qwen3_moe has weights that do not sum to one
  c.model.d_expert = 1024;
  c.router.name = "switch";
  c.model.top_k = 1;
  c.router.capacity_factor = 1.25;
  c.router.jitter = 0.01;
  return c;
}

// Lepikhin et al. 2020: two of many experts in every second layer, the second by chance.
TrainConfig Gshard() {
  TrainConfig c = Small();
  c.model.num_experts = 16;
  c.model.moe_every = 2;
  c.model.qk_norm = true;
  c.router.name = "gshard";
  c.router.capacity_factor = 1.25;
  return c;
}

// DeepSeek-V3 in small: many fine experts beside a shared one, balanced without a loss, the first
// layer dense.
TrainConfig DeepSeek() {
  TrainConfig c = Small();
  c.model.num_experts = 32;
  c.model.top_k = 4;
  c.model.d_expert = 256;
  c.model.d_shared_expert = 256;
  c.model.first_dense_layers = 1;
  c.router.name = "sigmoid_bias";
  c.router.groups = 4;
  c.router.groups_per_token = 2;
  c.router.losses.balance = 1e-4;
  return c;
}

// What a strategy is chosen with.
struct RouterSettings {
  std::string_view name;
  void (*apply)(TrainConfig& config);
};
constexpr RouterSettings kRouterSettings[] = {
    {"switch",
     [](TrainConfig& c) {
       c.model.top_k = 1;
       c.router.capacity_factor = 1.25;
     }},
    {"gshard",
     [](TrainConfig& c) {
       c.model.top_k = 2;
       c.router.capacity_factor = 1.25;
     }},
    {"base",
     [](TrainConfig& c) {
       c.model.top_k = 1;
       c.router.losses.balance = 0;
     }},
    {"hard", [](TrainConfig& c) { c.model.top_k = 1; }},
    {"soft", [](TrainConfig& c) { c.model.top_k = c.model.num_experts; }},
    {"sigmoid_bias", [](TrainConfig& c) { c.router.losses.balance = 0; }},
    {"expert_choice", [](TrainConfig& c) { c.router.losses.balance = 0; }},
    {"hash", [](TrainConfig& c) { c.router.losses.balance = 0; }},
};

constexpr PresetRow kPresets[] = {
    {{"tiny", "top-2 of 8 experts, 4 layers of 128: minutes"}, Tiny},
    {{"small", "top-2 of 8 experts, 6 layers of 256: hours"}, Small},
    {{"switch", "top-1 of 8 experts with a capacity"}, Switch},
    {{"gshard", "top-2 of 16 experts in every second layer, the second by chance"}, Gshard},
    {{"deepseek", "top-4 of 32 fine experts beside a shared one, balanced without a loss"},
     DeepSeek},
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

Status SetRouter(std::string_view name, TrainConfig& config) {
  MOIETY_ASSIGN_OR_RETURN(const RouterInfo router, FindRouter(name));
  config.router.name = router.name;
  for (const RouterSettings& settings : kRouterSettings) {
    if (settings.name == name) settings.apply(config);
  }
  return OkStatus();
}

}  // namespace moiety
