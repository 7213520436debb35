// "expert_choice": experts choose tokens: each takes the C tokens of a sequence that want it most,
// so that loads are equal by construction and a token gets as many experts as want it, or none.
//
//   p = softmax(x · gateᵀ) over experts, C = ⌈c · k · length / num_experts⌉ (c: capacity_factor, or
//   1), expert e takes the C tokens with the largest p_e, weight_e = p_e
//
// Zhou et al. 2022, "Mixture-of-experts with expert choice routing", section 3.2. A token's experts
// depend on later tokens.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

class ExpertChoiceRouter : public Router {
 public:
  explicit ExpertChoiceRouter(const RouterOptions& options) : options_(options) {}
  int64_t gate_rows() const override { return options_.num_experts; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    out.logits = input.logits;
    out.scores = Softmax(exec, input.logits);
    if (!exec.ok()) return;
    for (const Segment& sequence : Sequences(input, out.num_tokens)) Choose(sequence, out);
    std::sort(out.routed.begin(), out.routed.end(),
              [&](const RoutedToken& a, const RoutedToken& b) {
                if (a.token != b.token) return a.token < b.token;
                const float* const p = out.scores.Row(a.token);
                return Before(p[a.expert], a.expert, p[b.expert], b.expert);
              });
    SetWeights(exec, TakeChoices(exec, out.scores, out.routed), out);
  }

 private:
  // Larger first, then the lower number; a NaN counts as less than all.
  static bool Before(float p, int32_t i, float q, int32_t k) {
    if (std::isnan(p) != std::isnan(q)) return std::isnan(q);
    return p > q || (!(q > p) && i < k);
  }

  void Choose(const Segment& sequence, RouterOutput& out) const {
    const double factor = options_.capacity_factor > 0 ? options_.capacity_factor : 1;
    const double wanted = std::ceil(factor * static_cast<double>(options_.top_k * sequence.count) /
                                    static_cast<double>(options_.num_experts));
    const auto taken =
        static_cast<ptrdiff_t>(std::min(wanted, static_cast<double>(sequence.count)));
    std::vector<int32_t> tokens(static_cast<size_t>(sequence.count));
    for (int32_t e = 0; e < out.num_experts; ++e) {
      std::iota(tokens.begin(), tokens.end(), static_cast<int32_t>(sequence.begin));
      std::partial_sort(tokens.begin(), tokens.begin() + taken, tokens.end(),
                        [&](int32_t a, int32_t b) {
                          return Before(out.scores.Row(a)[e], a, out.scores.Row(b)[e], b);
                        });
      for (ptrdiff_t i = 0; i < taken; ++i) {
        out.routed.push_back({tokens[static_cast<size_t>(i)], e, 0});
      }
    }
  }

  RouterOptions options_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeExpertChoiceRouter(const RouterOptions& options,
                                                             int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("expert_choice", options));
  return std::unique_ptr<const Router>(std::make_unique<ExpertChoiceRouter>(options));
}

}  // namespace moiety
