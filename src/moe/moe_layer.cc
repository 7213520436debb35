#include "moe/moe_layer.h"

#include "moe/dispatch_plan.h"
#include "moe/grouped_experts.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/observer.h"

namespace moiety {

Matrix RunMoeLayer(Exec& exec, const Matrix& x, std::span<const Segment> segments,
                   const MoeLayer& moe, int64_t layer) {
  const Matrix logits = Linear(exec, x, moe.gate);
  if (!exec.ok()) return {};
  RouterOutput routed;
  moe.router->Route(exec, {logits, segments}, routed);
  if (exec.observer() != nullptr) exec.observer()->OnRoute(layer, routed);

  DispatchPlan plan;
  if (Status status = BuildDispatchPlan(routed.routed, x.rows, routed.num_experts, plan);
      !status.ok()) {
    exec.Fail(std::move(status));
    return {};
  }
  const Matrix packed = SelectRows(exec, x, plan.rows);
  const Matrix expert_rows = RunGroupedExperts(exec, packed, plan, moe.experts);
  const Matrix y = Combine(exec, expert_rows, routed, plan);
  if (!moe.shared.has_value()) return y;
  const Matrix shared = RunFeedForward(exec, x, moe.shared->ffn);
  if (!moe.shared->gate) return Add(exec, y, shared);
  return AddGated(exec, y, Linear(exec, x, moe.shared->gate), shared);
}

}  // namespace moiety
