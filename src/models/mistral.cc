// mistral: Jiang et al. 2023, "Mistral 7B": llama with a sliding window.
#include "models/decoder.h"

namespace moiety {

Result<std::unique_ptr<const Model>> BuildMistral(ConfigReader& config, WeightStore& store) {
  DecoderConfig d = ReadDecoderConfig(config, 10000);
  d.num_kv_heads = config.Dim("num_key_value_heads");
  ReadSlidingWindow(config, 0, d);
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
