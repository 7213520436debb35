// Router: who goes where. One routing strategy is one file; this is what they share.
#ifndef MOIETY_ROUTING_ROUTER_H_
#define MOIETY_ROUTING_ROUTER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "ops/batch.h"
#include "ops/exec.h"
#include "tensor/matrix.h"

namespace moiety {

// One choice: this token's row goes to this expert, whose output is multiplied by `weight`.
struct RoutedToken {
  int32_t token = 0;  // row of the layer's input
  int32_t expert = 0;
  float weight = 0;
};

// What a router sees of one call.
struct RouterInput {
  Matrix logits;                      // [num_tokens, num_experts] = x · gateᵀ
  std::span<const Segment> segments;  // which rows belong to which sequence
};

// What a router says about the rows of one call.
struct RouterOutput {
  int64_t num_tokens = 0;
  int64_t num_experts = 0;
  Matrix logits;                    // [num_tokens, num_experts], before softmax; memory of the step
  Matrix scores;                    // [num_tokens, num_experts] what the weights were taken from
  std::vector<RoutedToken> routed;  // by token, within a token in selection order (best first).
                                    // A dropped token has no entry; repeats are allowed.
  Matrix weights;  // [choices, 1] the weights of `routed` as a value with a way back
  // [num_experts] how many tokens chose each expert before some were dropped; empty: as routed.
  std::vector<int64_t> demand;
  // [num_tokens] tokens with the same number were decided together; empty: each for itself.
  std::vector<int32_t> groups;
};

// What one token's choices may depend on.
enum class RouterGroup : uint8_t {
  kToken,         // nothing but that token: any batching gives the same choices
  kSequenceCall,  // the other tokens of the same sequence in the call (capacity, expert choice):
                  // the batcher must neither split nor mix such a group
};

// The options of all strategies, as models and configs give them.
struct RouterOptions {
  int64_t num_experts = 0;
  int64_t top_k = 0;
  bool renormalize = true;  // selected weights sum to one
};

// Immutable and thread-safe after construction.
class Router {
 public:
  virtual ~Router() = default;
  virtual RouterGroup group() const = 0;
  // Whether a token's choices depend only on itself and earlier tokens.
  virtual bool causal() const = 0;
  // Chooses experts for every row of the input. Overwrites `out`.
  virtual void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const = 0;
};

// A strategy by its name in configs and flags. Fails for an unknown name (listing the known ones)
// and for options the strategy cannot have.
Result<std::unique_ptr<const Router>> MakeRouter(std::string_view name,
                                                 const RouterOptions& options);

}  // namespace moiety

#endif  // MOIETY_ROUTING_ROUTER_H_
