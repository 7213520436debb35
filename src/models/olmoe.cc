// olmoe: Muennighoff et al. 2024, "OLMoE: open mixture-of-experts language models": experts in
// every layer, RMSNorm over the whole of q and k, and if the config says so q, k and v are clipped.
#include "base/format.h"
#include "models/decoder.h"

namespace moiety {

Result<std::unique_ptr<const Model>> BuildOlmoe(ConfigReader& config, WeightStore& store) {
  DecoderConfig d = ReadDecoderConfig(config, 10000);
  d.qkv_bias = d.o_bias = config.BoolOr("attention_bias", false);
  d.qk_norm = QkNorm::kWhole;
  if (!config.Missing("clip_qkv")) {
    const double clip = config.Float("clip_qkv");
    if (clip <= 0) config.Fail("clip_qkv", Format("must be above 0, found {}", clip));
    d.clip_qkv = static_cast<float>(clip);
  }
  ReadExperts(config, d);
  d.d_expert = d.d_feed_forward;
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
