// What a model is.
#ifndef MOIETY_MODEL_INFO_H_
#define MOIETY_MODEL_INFO_H_

#include <cstdint>
#include <string>

namespace moiety {

// What people and reports ask of a model.
struct ModelInfo {
  std::string architecture;  // model_type of config.json
  int64_t vocab_size = 0;
  int64_t d_model = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t d_feed_forward = 0;  // width of a dense layer, or of one expert
  int64_t num_experts = 0;     // per MoE layer; 0 for a dense model
  int64_t top_k = 0;
  int64_t num_moe_layers = 0;
  int64_t context_length = 0;      // positions the model was made for
  int64_t sliding_window = 0;      // 0: none
  std::string router;              // strategy; empty for a dense model
  uint64_t parameters = 0;         // tied weights counted once
  uint64_t active_parameters = 0;  // used for one token
};

}  // namespace moiety

#endif  // MOIETY_MODEL_INFO_H_
