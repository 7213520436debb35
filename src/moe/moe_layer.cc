#include "moe/moe_layer.h"

#include "moe/dispatch_plan.h"
#include "moe/grouped_experts.h"
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
  return Combine(exec, expert_rows, routed, plan);
}

}  // namespace moiety
