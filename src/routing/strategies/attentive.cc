// "attentive": the token asks with a query, each expert answers with a key.
//
//   q = x · queryᵀ [d_key], p = softmax(q · Kᵀ / √d_key), S = the k largest of p,
//   weight_e = p_e / Σ_{S} p   or   p_e
//
// Attention of Vaswani et al. 2017, equation 1, as a gate: Krishnamurthy et al. 2023, "Improving
// expert specialization in mixture of experts", section 3. There keys are computed from what the
// experts say, so that all of them have to run; here they are learned vectors.
#include <cmath>

#include "base/format.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

class AttentiveRouter : public Router {
 public:
  explicit AttentiveRouter(const RouterOptions& options) : options_(options) {}
  int64_t gate_rows() const override { return options_.d_key; }
  std::vector<RouterWeight> weights() const override {
    return {{"keys.weight", {options_.num_experts, options_.d_key}}};
  }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    const auto root = static_cast<float>(std::sqrt(static_cast<double>(options_.d_key)));
    out.logits = Scale(exec, Linear(exec, input.logits, input.weights[0]), 1 / root);
    out.scores = Softmax(exec, out.logits);
    if (!exec.ok()) return;
    ChooseTop(out.logits, options_.top_k, out);
    WeighChoices(exec, input, options_, out);
  }

 private:
  RouterOptions options_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeAttentiveRouter(const RouterOptions& options, int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("attentive", options));
  if (options.d_key < 1) {
    return InvalidArgument(
        Format("router attentive: d_key must be at least 1, found {}", options.d_key));
  }
  return std::unique_ptr<const Router>(std::make_unique<AttentiveRouter>(options));
}

}  // namespace moiety
