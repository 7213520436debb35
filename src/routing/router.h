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
#include "tensor/shape.h"
#include "tensor/weight.h"

namespace moiety {

// One choice: this token's row goes to this expert, whose output is multiplied by `weight`.
struct RoutedToken {
  int32_t token = 0;  // row of the layer's input
  int32_t expert = 0;
  float weight = 0;
};

// What a router sees of one call.
struct RouterInput {
  // [num_tokens, Router::gate_rows()] = x · gateᵀ; for most strategies a column is an expert. Empty
  // without a gate.
  Matrix logits = {};
  std::span<const Segment> segments = {};   // which rows belong to which sequence
  Matrix x = {};                            // [num_tokens, d_model] the layer's input
  std::span<const int32_t> ids = {};        // [num_tokens] the tokens
  std::span<const WeightRef> weights = {};  // as Router::weights() lists them
  int64_t layer = 0;
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
  // What the weights of a token sum to, where the strategy sees to that; 0: it does not.
  float weight_sum = 0;
  // [num_experts] how many tokens chose each expert before some were dropped; empty: as routed.
  std::vector<int64_t> demand;
  Matrix x;  // [num_tokens, d_model] what the router saw; memory of the step
  // Of noisy choices while training, for the load loss: the logits with their noise and its
  // standard deviation, [num_tokens, num_experts] each; empty otherwise.
  Matrix noisy_logits;
  Matrix deviation;

  // Without choices, for the tokens of `input`.
  void Reset(const RouterInput& input, int64_t experts);
};

// How discrete choices get a gradient.
enum class ChoiceEstimator : uint8_t { kStraightThrough, kReinforce };

// The options of all strategies, as models and configs give them. Fields say what reads them; a
// strategy ignores the others (RouterInfo::options lists what it has).
struct RouterOptions {
  int64_t num_experts = 0;
  int64_t top_k = 0;
  bool renormalize = true;  // selected weights sum to one
  // While training, an expert takes at most ⌈capacity_factor · choices / num_experts⌉ choices of a
  // sequence, first come, first served; 0: any number. No token is dropped at inference.
  double capacity_factor = 0;
  double scale = 1;              // of weights (DeepSeek's routed_scaling_factor)
  int64_t groups = 1;            // of experts, side by side
  int64_t groups_per_token = 1;  // that a token may choose from
  double noise = 1;              // of noisy choices: times the learned deviation
  uint64_t seed = 1;             // of random tables
  int64_t branching = 2;         // of a tree of gates
  int64_t d_key = 64;            // of queries and keys
  ChoiceEstimator estimator = ChoiceEstimator::kStraightThrough;
  std::vector<int32_t> table = {};  // [vocab_size · top_k] experts of each token id; empty: random
};

// The weight of sigmoid_bias that training moves without a gradient.
inline constexpr std::string_view kCorrectionBias = "e_score_correction_bias";

// A weight that a strategy has beside its gate.
struct RouterWeight {
  std::string_view name;  // behind the router's own name in checkpoints: "noise.weight"
  Shape shape;            // fresh vectors are 0, fresh matrices random
};

// Immutable and thread-safe after construction.
class Router {
 public:
  virtual ~Router() = default;
  // Rows of its gate; 0: it has none.
  virtual int64_t gate_rows() const = 0;
  virtual std::vector<RouterWeight> weights() const { return {}; }
  // Chooses experts for every row of the input. Overwrites `out`.
  virtual void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const = 0;
};

// Whether a strategy chooses and weighs without a tape as topk does with its gate and options:
// then architectures with such routers hold what it learnt.
enum class AtInference : uint8_t {
  kItself,            // no
  kTopK,              // yes
  kTopKRenormalized,  // yes, with renormalize whatever the options say
  kTopKAsScored,      // yes, without renormalize
};

// A strategy.
struct RouterInfo {
  std::string_view name;       // in configs and flags
  std::string_view summary;    // one line
  std::string_view reference;  // the paper
  // The options that it reads beside num_experts and top_k: names of RouterOptions, with blanks.
  std::string_view options;
  std::vector<std::string_view> OptionNames() const;
  // While training, a token's choices depend only on itself and earlier tokens of its sequence.
  bool causal = true;
  // At inference too a token's choices depend on the other tokens of its sequence in the call: it
  // can be evaluated, not generated from token by token.
  bool needs_whole_sequences = false;
  AtInference at_inference = AtInference::kItself;
  std::string_view training_weight = {};  // one of Router::weights() that only training reads
};

// All strategies.
std::vector<RouterInfo> Routers();

// One by its name. Fails for an unknown name, with the nearest known one.
Result<RouterInfo> FindRouter(std::string_view name);

// Fails as above, and for options the strategy cannot have. `d_model` is that of the layers.
Result<std::unique_ptr<const Router>> MakeRouter(std::string_view name,
                                                 const RouterOptions& options, int64_t d_model = 0);

}  // namespace moiety

#endif  // MOIETY_ROUTING_ROUTER_H_
