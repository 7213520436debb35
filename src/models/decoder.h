// The pre-norm decoder that most architectures of the Llama line are: what differs between them is
// the values of DecoderConfig, which each architecture's file reads from its config.json.
#ifndef MOIETY_MODELS_DECODER_H_
#define MOIETY_MODELS_DECODER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/model.h"
#include "ops/rope.h"
#include "routing/router.h"

namespace moiety {

// Names of the tensors in a Hugging Face folder. {l} is the layer, {e} the expert.
struct DecoderTensorNames {
  std::string embedding = "model.embed_tokens.weight";
  std::string final_norm = "model.norm.weight";
  std::string head = "lm_head.weight";
  // Followed by ".weight", and by ".bias" where there is one.
  std::string attention_norm = "model.layers.{l}.input_layernorm";
  std::string q = "model.layers.{l}.self_attn.q_proj";
  std::string k = "model.layers.{l}.self_attn.k_proj";
  std::string v = "model.layers.{l}.self_attn.v_proj";
  std::string o = "model.layers.{l}.self_attn.o_proj";
  std::string q_norm = "model.layers.{l}.self_attn.q_norm";
  std::string k_norm = "model.layers.{l}.self_attn.k_norm";
  std::string ffn_norm = "model.layers.{l}.post_attention_layernorm";
  std::string gate = "model.layers.{l}.mlp.gate_proj";
  std::string up = "model.layers.{l}.mlp.up_proj";
  std::string down = "model.layers.{l}.mlp.down_proj";
  std::string router = "model.layers.{l}.mlp.gate";
  std::string expert_gate = "model.layers.{l}.mlp.experts.{e}.gate_proj";
  std::string expert_up = "model.layers.{l}.mlp.experts.{e}.up_proj";
  std::string expert_down = "model.layers.{l}.mlp.experts.{e}.down_proj";
};

struct DecoderConfig {
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t d_model = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t d_feed_forward = 0;  // of a dense layer, or of one expert
  int64_t context_length = 0;
  float rms_norm_eps = 0;
  RopeTable rope;
  std::vector<int64_t> windows;  // [num_layers] sliding window of each layer, 0 for none
  bool tied_head = false;        // the head is the embedding table
  bool qkv_bias = false;
  bool o_bias = false;
  bool ffn_bias = false;
  bool qk_norm = false;  // RMSNorm over each head of q and k
  // MoE layers, if any: every layer is one.
  std::optional<RouterOptions> moe;
  std::string router = "topk";
  DecoderTensorNames names;
};

// The keys that all these architectures share, checked: sizes, heads, norm, rope, activation, tied
// head. `default_theta` is the architecture's rope_theta where the config has none.
DecoderConfig ReadDecoderConfig(ConfigReader& config, double default_theta);

// A window for every layer from first_layer on, or for those that `layer_types` names. The key
// sliding_window must be there (null: none).
void ReadSlidingWindow(ConfigReader& config, int64_t first_layer, DecoderConfig& decoder);

// Declares the weights and builds the model; `config` is asked for its errors first.
Result<std::unique_ptr<const Model>> BuildDecoder(const ConfigReader& config, DecoderConfig decoder,
                                                  WeightStore& store);

}  // namespace moiety

#endif  // MOIETY_MODELS_DECODER_H_
