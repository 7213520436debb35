// "topk": each token takes the k experts with the largest softmax probability.
//
//   p = softmax(x · gateᵀ), S = the k largest, weight_e = p_e / Σ_{S} p   (renormalised, Mixtral)
//                                              or        p_e              (not renormalised)
//
// Shazeer et al. 2017, "Outrageously large neural networks", eq. 3 and 5 without the noise; Jiang
// et al. 2024, "Mixtral of Experts", section 2.1.
#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

class TopKRouter : public Router {
 public:
  explicit TopKRouter(const RouterOptions& options) : options_(options) {}
  int64_t gate_rows() const override { return options_.num_experts; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    out.logits = input.logits;
    out.scores = Softmax(exec, input.logits);
    if (!exec.ok()) return;
    // By logit, not probability: rounding may make close probabilities equal.
    ChooseTop(input.logits, options_.top_k, out);
    WeighChoices(exec, input, options_, out);
  }

 private:
  RouterOptions options_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeTopKRouter(const RouterOptions& options, int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("topk", options));
  return std::unique_ptr<const Router>(std::make_unique<TopKRouter>(options));
}

}  // namespace moiety
