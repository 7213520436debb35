// qwen2_moe: Yang et al. 2024, "Qwen2 technical report", section 2.2.2 (also Qwen1.5-MoE): qwen2
// with fine-grained experts and a shared one behind a sigmoid gate.
#include "models/decoder.h"

namespace moiety {

Result<std::unique_ptr<const Model>> BuildQwen2Moe(ConfigReader& config, WeightStore& store) {
  DecoderConfig d = ReadDecoderConfig(config, 10000);
  d.qkv_bias = config.BoolOr("qkv_bias", true);
  if (config.BoolOr("use_sliding_window", false)) {
    const int64_t end = config.IntOr("max_window_layers", 28, 0, INT32_MAX);
    // Every second one of the first layers, as transformers reads it; qwen2 counts otherwise.
    ReadSlidingWindow(
        config, [=](int64_t layer) { return layer % 2 == 0 && layer < end; }, d);
  }
  ReadExperts(config, d);
  ReadSparseLayers(config, d);
  d.d_expert = config.Dim("moe_intermediate_size");
  d.d_shared_expert = config.Dim("shared_expert_intermediate_size");
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
