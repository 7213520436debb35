// qwen3: Yang et al. 2025, "Qwen3 technical report", the dense models: RMSNorm over each head of q
// and k before rope, no biases by default.
#include "models/decoder.h"

namespace moiety {

Result<std::unique_ptr<const Model>> BuildQwen3(ConfigReader& config, WeightStore& store) {
  DecoderConfig d = ReadDecoderConfig(config, 10000);
  d.qkv_bias = d.o_bias = config.BoolOr("attention_bias", false);
  d.head_dim = config.Dim("head_dim");  // not hidden_size / heads
  d.qk_norm = QkNorm::kHead;
  if (config.BoolOr("use_sliding_window", false)) {
    ReadSlidingWindow(config, config.IntOr("max_window_layers", 28, 0, INT32_MAX), d);
  }
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
