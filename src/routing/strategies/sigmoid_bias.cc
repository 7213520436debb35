// "sigmoid_bias": top-k of sigmoid scores plus a bias that keeps loads even without a loss: after
// each step of training the bias of an expert with less than the mean load rises by a constant,
// that of one with more falls (train/loss_free_balance.h). The bias chooses; it does not weigh.
//
//   s = σ(x · gateᵀ), S = the k largest of s + bias, weight_e = scale · s_e / Σ_{S} s
//
// With groups, only experts of the groups_per_token best groups are open, a group being as good as
// the sum of its two largest s + bias. Wang et al. 2024, "Auxiliary-loss-free load balancing",
// algorithm 1; DeepSeek-AI 2024, "DeepSeek-V3", equations 12 to 16.
#include <algorithm>

#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

class SigmoidBiasRouter : public Router {
 public:
  explicit SigmoidBiasRouter(const RouterOptions& options) : options_(options) {}
  int64_t gate_rows() const override { return options_.num_experts; }
  std::vector<RouterWeight> weights() const override {
    return {{kCorrectionBias, {options_.num_experts}}};
  }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    out.logits = input.logits;
    out.scores = Sigmoid(exec, input.logits);
    const Matrix keys = exec.NewMatrix(out.scores.rows, out.scores.cols);
    if (!exec.ok()) return;
    const float* const bias = input.weights[0].f32();
    for (int64_t t = 0; t < keys.rows; ++t) {
      for (int64_t e = 0; e < keys.cols; ++e) keys.Row(t)[e] = out.scores.Row(t)[e] + bias[e];
    }
    CloseGroups(keys, options_, 2);
    ChooseTop(keys, options_.top_k, out);
    // Sigmoids can all be 0 at the chosen experts, unlike probabilities.
    WeighChoices(exec, input, options_, out, static_cast<float>(options_.scale), 1e-20F);
  }

 private:
  RouterOptions options_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeSigmoidBiasRouter(const RouterOptions& options, int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("sigmoid_bias", options));
  MOIETY_RETURN_IF_ERROR(CheckGroups("sigmoid_bias", options));
  return std::unique_ptr<const Router>(std::make_unique<SigmoidBiasRouter>(options));
}

}  // namespace moiety
