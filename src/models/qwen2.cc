// qwen2: Yang et al. 2024, "Qwen2 technical report" (also Qwen1.5 and Qwen2.5): biases on q, k and
// v; with use_sliding_window the layers from max_window_layers on slide.
#include "models/decoder.h"

namespace moiety {

Result<std::unique_ptr<const Model>> BuildQwen2(ConfigReader& config, WeightStore& store) {
  DecoderConfig d = ReadDecoderConfig(config, 10000);
  d.qkv_bias = true;
  if (config.BoolOr("use_sliding_window", false)) {
    ReadSlidingWindow(config, config.IntOr("max_window_layers", 28, 0, INT32_MAX), d);
  }
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
