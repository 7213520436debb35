// qwen3_moe: Yang et al. 2025, "Qwen3 technical report", the MoE models: qwen3 with fine-grained
// experts and no shared one.
#include "models/decoder.h"

namespace moiety {

Result<std::unique_ptr<const Model>> BuildQwen3Moe(ConfigReader& config, WeightStore& store) {
  DecoderConfig d = ReadDecoderConfig(config, 10000);
  d.qkv_bias = d.o_bias = config.BoolOr("attention_bias", false);
  d.qk_norm = QkNorm::kHead;
  if (config.BoolOr("use_sliding_window", false)) ReadSlidingWindow(config, 0, d);
  ReadExperts(config, d);
  ReadSparseLayers(config, d);
  d.d_expert = config.Dim("moe_intermediate_size");
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
