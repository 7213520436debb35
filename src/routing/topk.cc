#include "routing/topk.h"

#include <algorithm>
#include <vector>

#include "base/format.h"
#include "ops/softmax.h"
#include "routing/choices.h"

namespace moiety {
namespace {

class TopKRouter : public Router {
 public:
  explicit TopKRouter(const RouterOptions& options) : options_(options) {}
  RouterGroup group() const override { return RouterGroup::kToken; }
  bool causal() const override { return true; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    const Matrix& logits = input.logits;
    const int64_t num_experts = options_.num_experts;
    out.num_tokens = logits.rows;
    out.num_experts = num_experts;
    out.logits = logits;
    out.groups.clear();
    out.routed.clear();
    out.routed.reserve(static_cast<size_t>(logits.rows * options_.top_k));
    out.scores = Softmax(exec, logits);
    std::vector<int32_t> order(static_cast<size_t>(num_experts));
    for (int64_t t = 0; t < logits.rows; ++t) {
      for (size_t e = 0; e < order.size(); ++e) order[e] = static_cast<int32_t>(e);
      // By logit, not probability: rounding may make close probabilities equal. Ties go to the
      // lower id, as in the reference.
      const float* logit = logits.Row(t);
      const auto top = order.begin() + options_.top_k;
      std::partial_sort(order.begin(), top, order.end(), [&](int32_t a, int32_t b) {
        return logit[a] != logit[b] ? logit[a] > logit[b] : a < b;
      });
      for (auto e = order.begin(); e != top; ++e) {
        out.routed.push_back({static_cast<int32_t>(t), *e, 0});
      }
    }
    Matrix weights = TakeChoices(exec, out.scores, out.routed);
    if (options_.renormalize) weights = NormalizeChoices(exec, weights, out.routed);
    SetWeights(exec, weights, out);
  }

 private:
  RouterOptions options_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeTopKRouter(const RouterOptions& options) {
  if (options.num_experts < 1 || options.top_k < 1 || options.top_k > options.num_experts) {
    return InvalidArgument(
        Format("router topk: top_k must be from 1 to the number of experts ({}), found {}",
               options.num_experts, options.top_k));
  }
  return std::unique_ptr<const Router>(std::make_unique<TopKRouter>(options));
}

}  // namespace moiety
