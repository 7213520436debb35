// What routers decided, for those who study it.
#ifndef MOIETY_LAYER_ROUTING_H_
#define MOIETY_LAYER_ROUTING_H_

#include <cstdint>
#include <vector>

namespace moiety {

// The choices of one MoE layer for a run of tokens.
struct LayerRouting {
  int64_t layer = 0;  // counted from 0 over all layers of the model
  int64_t num_tokens = 0;
  int64_t num_experts = 0;
  int64_t top_k = 0;
  std::vector<float> logits;     // [num_tokens, num_experts], before softmax
  std::vector<int32_t> experts;  // [num_tokens, top_k] in selection order, -1: dropped
  std::vector<float>
      weights;  // [num_tokens, top_k] what expert outputs are multiplied by, 0: dropped
};

}  // namespace moiety

#endif  // MOIETY_LAYER_ROUTING_H_
