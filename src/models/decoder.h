// The pre-norm decoder that most architectures of the Llama line are: what differs between them is
// the values of DecoderConfig, which each architecture's file reads from its config.json.
#ifndef MOIETY_MODELS_DECODER_H_
#define MOIETY_MODELS_DECODER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/model.h"
#include "ops/linear.h"
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
  std::string attention_post_norm = "model.layers.{l}.post_attention_layernorm";
  std::string ffn_norm = "model.layers.{l}.post_attention_layernorm";
  std::string ffn_post_norm = "model.layers.{l}.post_feedforward_layernorm";
  std::string gate = "model.layers.{l}.mlp.gate_proj";
  std::string up = "model.layers.{l}.mlp.up_proj";
  std::string down = "model.layers.{l}.mlp.down_proj";
  std::string router = "model.layers.{l}.mlp.gate";
  std::string expert_gate = "model.layers.{l}.mlp.experts.{e}.gate_proj";
  std::string expert_up = "model.layers.{l}.mlp.experts.{e}.up_proj";
  std::string expert_down = "model.layers.{l}.mlp.experts.{e}.down_proj";
  std::string shared_expert_router = "model.layers.{l}.mlp.shared_expert_gate";
  std::string shared_expert_gate = "model.layers.{l}.mlp.shared_expert.gate_proj";
  std::string shared_expert_up = "model.layers.{l}.mlp.shared_expert.up_proj";
  std::string shared_expert_down = "model.layers.{l}.mlp.shared_expert.down_proj";
};

// RMSNorm of q and k before rope.
enum class QkNorm : uint8_t {
  kNone,
  kHead,   // over each head, with one gain for all of them
  kWhole,  // over all heads together
};

struct DecoderConfig {
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t d_model = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t d_feed_forward = 0;  // of a dense layer
  int64_t context_length = 0;
  float rms_norm_eps = 0;
  float gain_offset = 0;  // what checkpoints leave out of the gains of norms: 1 if they are near 0
  float attention_scale = 0;  // of the scores
  float embedding_scale = 1;
  Activation activation = Activation::kSilu;
  RopeTable rope;
  std::vector<int64_t> windows;           // [num_layers] each layer's sliding window, 0 for none
  std::optional<RopeTable> sliding_rope;  // of layers with a window, where theirs is another
  bool tied_head = false;                 // the head is the embedding table
  bool qkv_bias = false;
  bool o_bias = false;
  bool ffn_bias = false;
  QkNorm qk_norm = QkNorm::kNone;
  std::optional<float> clip_qkv;        // q, k and v are brought into ± this
  bool post_norms = false;              // a norm also behind attention and feed-forward
  std::optional<float> logit_soft_cap;  // c · tanh(logit / c)
  // MoE layers, if any.
  std::optional<RouterOptions> moe;
  std::vector<bool> moe_layers;  // [num_layers] which they are; empty: all
  int64_t d_expert = 0;          // of one expert
  int64_t d_shared_expert = 0;   // of a shared one with a sigmoid gate; 0: there is none
  std::string router = "topk";
  DecoderTensorNames names;
};

// The keys that all these architectures share, checked: sizes, heads, norm, rope, activation, tied
// head. `default_theta` is the architecture's rope_theta where the config has none.
DecoderConfig ReadDecoderConfig(ConfigReader& config, double default_theta,
                                std::string_view activation_key = "hidden_act");

// A window for the layers that `layer_types` names, or if it is not there for those that `slides`
// says. The key sliding_window must be there (null: none).
void ReadSlidingWindow(ConfigReader& config, const std::function<bool(int64_t layer)>& slides,
                       DecoderConfig& decoder);
// The same with every layer from first_layer on.
void ReadSlidingWindow(ConfigReader& config, int64_t first_layer, DecoderConfig& decoder);

// The MoE layers of Qwen's and related configs: num_experts (or num_local_experts),
// num_experts_per_tok and norm_topk_prob, and a strategy of another name (models/router_config.h).
void ReadExperts(ConfigReader& config, DecoderConfig& decoder);
// Which of them are MoE layers: every decoder_sparse_step-th but those of mlp_only_layers.
void ReadSparseLayers(ConfigReader& config, DecoderConfig& decoder);

// Declares the weights and builds the model; `config` is asked for its errors first.
Result<std::unique_ptr<const Model>> BuildDecoder(const ConfigReader& config, DecoderConfig decoder,
                                                  WeightStore& store);

}  // namespace moiety

#endif  // MOIETY_MODELS_DECODER_H_
