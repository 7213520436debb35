// "group_limited": top-k among the experts of a few groups, so that a token visits few devices.
//
//   p = softmax(x · gateᵀ); the groups_per_token groups with the largest max p are open;
//   S = the k largest p in them, weight_e = scale · p_e   (or renormalised over S)
//
// DeepSeek-AI 2024, "DeepSeek-V2", section 2.2.2 (device-limited routing).
#include <algorithm>

#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

class GroupLimitedRouter : public Router {
 public:
  explicit GroupLimitedRouter(const RouterOptions& options) : options_(options) {}
  int64_t gate_rows() const override { return options_.num_experts; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    out.logits = input.logits;
    out.scores = Softmax(exec, input.logits);
    const Matrix keys = exec.NewMatrix(input.logits.rows, input.logits.cols);
    if (!exec.ok()) return;
    std::copy_n(input.logits.data, keys.size(), keys.data);
    CloseGroups(keys, options_, 1);
    ChooseTop(keys, options_.top_k, out);
    WeighChoices(exec, input, options_, out, static_cast<float>(options_.scale));
  }

 private:
  RouterOptions options_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeGroupLimitedRouter(const RouterOptions& options,
                                                             int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("group_limited", options));
  MOIETY_RETURN_IF_ERROR(CheckGroups("group_limited", options));
  return std::unique_ptr<const Router>(std::make_unique<GroupLimitedRouter>(options));
}

}  // namespace moiety
