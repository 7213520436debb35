// mixtral: Jiang et al. 2024, "Mixtral of Experts": mistral with experts in place of the
// feed-forward layer, each token using the top_k of them.
#include "models/decoder.h"
#include "models/router_config.h"

namespace moiety {

Result<std::unique_ptr<const Model>> BuildMixtral(ConfigReader& config, WeightStore& store) {
  DecoderConfig d = ReadDecoderConfig(config, 1e6);
  d.num_kv_heads = config.Dim("num_key_value_heads");
  if (config.Has("sliding_window")) ReadSlidingWindow(config, 0, d);
  RouterOptions moe;
  moe.num_experts = config.Dim("num_local_experts");
  moe.top_k = config.Int("num_experts_per_tok", 1, moe.num_experts);
  moe.renormalize = true;
  ReadRouter(config, d.router, moe);
  d.moe = moe;
  d.d_expert = d.d_feed_forward;
  d.names.router = "model.layers.{l}.block_sparse_moe.gate";
  d.names.expert_gate = "model.layers.{l}.block_sparse_moe.experts.{e}.w1";
  d.names.expert_up = "model.layers.{l}.block_sparse_moe.experts.{e}.w3";
  d.names.expert_down = "model.layers.{l}.block_sparse_moe.experts.{e}.w2";
  return BuildDecoder(config, std::move(d), store);
}

}  // namespace moiety
