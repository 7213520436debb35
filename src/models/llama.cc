// llama: Touvron et al. 2023; Llama 2, 3 and everything that keeps their layout.
#include "models/decoder.h"

namespace moiety {

Result<std::unique_ptr<const Model>> BuildLlama(ConfigReader& config, WeightStore& store) {
  DecoderConfig d = ReadDecoderConfig(config, 10000);
  d.qkv_bias = d.o_bias = config.BoolOr("attention_bias", false);
  d.ffn_bias = config.BoolOr("mlp_bias", false);
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
