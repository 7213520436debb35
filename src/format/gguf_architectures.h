// What GGUF and Hugging Face call the same: keys of metadata and of config.json, names of tensors,
// and what differs between architectures. Read in one direction by gguf_model.cc, in the other by
// hf_to_gguf.cc.
#ifndef MOIETY_FORMAT_GGUF_ARCHITECTURES_H_
#define MOIETY_FORMAT_GGUF_ARCHITECTURES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace moiety::gguf {

enum class Kind : uint8_t { kInteger, kNumber, kBool };

// A key behind "ARCHITECTURE." and the field of config.json that says the same.
struct KeyRow {
  std::string_view key;
  std::string_view field;
  Kind kind = Kind::kInteger;
  bool required = false;
};
inline constexpr std::array kKeys = {
    KeyRow{"block_count", "num_hidden_layers", Kind::kInteger, true},
    KeyRow{"context_length", "max_position_embeddings", Kind::kInteger, true},
    KeyRow{"embedding_length", "hidden_size", Kind::kInteger, true},
    KeyRow{"feed_forward_length", "intermediate_size", Kind::kInteger, true},
    KeyRow{"attention.head_count", "num_attention_heads", Kind::kInteger, true},
    KeyRow{"attention.head_count_kv", "num_key_value_heads"},
    KeyRow{"attention.key_length", "head_dim"},
    KeyRow{"attention.layer_norm_rms_epsilon", "rms_norm_eps", Kind::kNumber, true},
    KeyRow{"attention.sliding_window", "sliding_window"},
    KeyRow{"attention.sliding_window_pattern", "sliding_window_pattern"},
    KeyRow{"attention.clamp_kqv", "clip_qkv", Kind::kNumber},
    KeyRow{"attn_logit_softcapping", "attn_logit_softcapping", Kind::kNumber},
    KeyRow{"final_logit_softcapping", "final_logit_softcapping", Kind::kNumber},
    KeyRow{"rope.freq_base", "rope_theta", Kind::kNumber},
    KeyRow{"rope.freq_base_swa", "rope_local_base_freq", Kind::kNumber},
    KeyRow{"expert_used_count", "num_experts_per_tok"},
    KeyRow{"expert_feed_forward_length", "moe_intermediate_size"},
    KeyRow{"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
    KeyRow{"expert_weights_norm", "norm_topk_prob", Kind::kBool},
};

// Of rope.scaling, behind "ARCHITECTURE.rope.scaling."; the fields are those of rope_scaling. Its
// kind is "type" there and "rope_type" here, where "none" is "default".
inline constexpr std::array kRopeScalingKeys = {
    KeyRow{"factor", "factor", Kind::kNumber},
    KeyRow{"original_context_length", "original_max_position_embeddings"},
    KeyRow{"yarn_beta_fast", "beta_fast", Kind::kNumber},
    KeyRow{"yarn_beta_slow", "beta_slow", Kind::kNumber},
    KeyRow{"attn_factor", "attention_factor", Kind::kNumber},
};

// Whose heads the rows of a projection belong to, if rope turns them.
enum class RopeHeads : uint8_t { kNone, kQuery, kKey };

struct NameRow {
  std::string_view gguf;  // without ".weight" or ".bias"
  std::string_view name;
  RopeHeads rope = RopeHeads::kNone;
  bool is_row = false;  // a vector there is a matrix of one row here
};
// Of layers, behind "blk.N." and "model.layers.N.".
inline constexpr std::array kLayerNames = {
    NameRow{"attn_norm", "input_layernorm"},
    NameRow{"attn_q", "self_attn.q_proj", RopeHeads::kQuery},
    NameRow{"attn_k", "self_attn.k_proj", RopeHeads::kKey},
    NameRow{"attn_v", "self_attn.v_proj"},
    NameRow{"attn_output", "self_attn.o_proj"},
    NameRow{"attn_q_norm", "self_attn.q_norm"},
    NameRow{"attn_k_norm", "self_attn.k_norm"},
    NameRow{"post_attention_norm", "post_attention_layernorm"},
    NameRow{"post_ffw_norm", "post_feedforward_layernorm"},
    NameRow{"ffn_gate", "mlp.gate_proj"},
    NameRow{"ffn_up", "mlp.up_proj"},
    NameRow{"ffn_down", "mlp.down_proj"},
    NameRow{"ffn_gate_shexp", "mlp.shared_expert.gate_proj"},
    NameRow{"ffn_up_shexp", "mlp.shared_expert.up_proj"},
    NameRow{"ffn_down_shexp", "mlp.shared_expert.down_proj"},
    NameRow{"ffn_gate_inp_shexp", "mlp.shared_expert_gate", RopeHeads::kNone, true},
};
// Of the model.
inline constexpr std::array kNames = {
    NameRow{"token_embd", "model.embed_tokens"},
    NameRow{"output_norm", "model.norm"},
    NameRow{"output", "lm_head"},
};

// Fields of config.json that are true where the file has a tensor.
struct BiasRow {
  std::string_view tensor;
  std::string_view field;
};
inline constexpr std::array kBiases = {
    BiasRow{"blk.0.attn_output.bias", "attention_bias"},
    BiasRow{"blk.0.ffn_down.bias", "mlp_bias"},
};

// What differs between architectures.
struct Architecture {
  std::string_view gguf;
  std::string_view model_type = {};      // without experts; empty: has always some
  std::string_view moe_model_type = {};  // with experts; empty: has none
  std::string_view ffn_norm = "post_attention_layernorm";  // behind "model.layers.N."
  // With experts: the field of their number, and names behind "model.layers.N.".
  std::string_view num_experts = "num_experts";
  std::string_view router = "mlp.gate";
  std::string_view expert_gate = "mlp.experts.{e}.gate_proj";
  std::string_view expert_up = "mlp.experts.{e}.up_proj";
  std::string_view expert_down = "mlp.experts.{e}.down_proj";
  // What norm_topk_prob is if the file does not say; null: no such field.
  std::optional<bool> norm_topk_prob = {};
  // Rows of q and k stand so that rope turns neighbours.
  bool rope_interleave = false;
  // Gains of norms have the 1 added that checkpoints leave out.
  bool norm_gains_are_whole = false;
  // The square of what scores are divided by is a field, query_pre_attn_scalar. Files seldom say
  // it: it is the head's width, but d_model / heads in the model with this many blocks, which is
  // how llama.cpp knows that one. 0: no such field.
  int64_t query_scalar_by_width_blocks = 0;
  // Model types whose sliding_window counts by itself. The key of others is not written; a file of
  // this architecture without experts that has it is of the first type.
  std::array<std::string_view, 2> sliding_model_types = {};
  // Whether, of the layers of those, each n-th sees all; else all slide.
  bool has_sliding_pattern = false;
};
inline constexpr std::array kArchitectures = {
    Architecture{.gguf = "gemma3",
                 .model_type = "gemma3_text",
                 .ffn_norm = "pre_feedforward_layernorm",
                 .norm_gains_are_whole = true,
                 .query_scalar_by_width_blocks = 62,
                 .sliding_model_types = {"gemma3_text"},
                 .has_sliding_pattern = true},
    Architecture{.gguf = "llama",
                 .model_type = "llama",
                 .moe_model_type = "mixtral",
                 .num_experts = "num_local_experts",
                 .router = "block_sparse_moe.gate",
                 .expert_gate = "block_sparse_moe.experts.{e}.w1",
                 .expert_up = "block_sparse_moe.experts.{e}.w3",
                 .expert_down = "block_sparse_moe.experts.{e}.w2",
                 .rope_interleave = true,
                 .sliding_model_types = {"mistral", "mixtral"}},
    Architecture{.gguf = "olmoe", .moe_model_type = "olmoe", .norm_topk_prob = false},
    Architecture{.gguf = "qwen2", .model_type = "qwen2"},
    Architecture{.gguf = "qwen2moe", .moe_model_type = "qwen2_moe", .norm_topk_prob = false},
    Architecture{.gguf = "qwen3", .model_type = "qwen3"},
    Architecture{.gguf = "qwen3moe", .moe_model_type = "qwen3_moe", .norm_topk_prob = true},
};

// Tensors of a layer whose names, or patterns of names, are an architecture's own: single ones, and
// stacks of its experts' matrices.
struct OwnNameRow {
  std::string_view gguf;
  std::string_view Architecture::*name;
};
inline constexpr std::array kOwnNames = {
    OwnNameRow{"ffn_norm", &Architecture::ffn_norm},
    OwnNameRow{"ffn_gate_inp", &Architecture::router},
};
inline constexpr std::array kStacks = {
    OwnNameRow{"ffn_gate_exps", &Architecture::expert_gate},
    OwnNameRow{"ffn_up_exps", &Architecture::expert_up},
    OwnNameRow{"ffn_down_exps", &Architecture::expert_down},
};
inline constexpr std::string_view kLayerPrefix = "blk.";
inline constexpr std::string_view kHfLayerPrefix = "model.layers.";
inline constexpr std::string_view kExpertField = "{e}";

}  // namespace moiety::gguf

#endif  // MOIETY_FORMAT_GGUF_ARCHITECTURES_H_
