// moiety: the decoder of Mixtral and its kin with any routing strategy (routing/strategies): what
// training here makes of configs that no published architecture expresses. Keys are those of
// qwen3_moe, and:
//
//   qk_norm                          whether heads of q and k are normalised; false
//   shared_expert_intermediate_size  width of the shared expert behind a sigmoid gate; 0: none
//   moiety_router                    models/router_config.h
#include "models/decoder.h"

namespace moiety {

Result<std::unique_ptr<const Model>> BuildMoiety(ConfigReader& config, WeightStore& store) {
  DecoderConfig d = ReadDecoderConfig(config, 10000);
  if (config.BoolOr("qk_norm", false)) d.qk_norm = QkNorm::kHead;
  ReadExperts(config, d);
  ReadSparseLayers(config, d);
  d.d_expert = config.Dim("moe_intermediate_size");
  d.d_shared_expert = config.IntOr("shared_expert_intermediate_size", 0, 0, INT32_MAX);
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
