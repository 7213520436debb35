#include "moe/moe_layer.h"

#include <cstdint>
#include <vector>

#include "moe/dispatch_plan.h"
#include "moe/grouped_experts.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/observer.h"
#include "ops/training_noise.h"
#include "routing/route_edit.h"

namespace moiety {
namespace {

// The experts that have rows.
std::vector<int32_t> Loaded(const DispatchPlan& plan) {
  std::vector<int32_t> experts;
  for (int64_t e = 0; e < plan.num_experts(); ++e) {
    if (plan.load(e) > 0) experts.push_back(static_cast<int32_t>(e));
  }
  return experts;
}

}  // namespace

Matrix RunMoeLayer(Exec& exec, const Matrix& x, const Batch& batch, const MoeLayer& moe,
                   int64_t layer) {
  RouterInput input;
  input.x = RouterJitter(exec, x, batch, layer);
  input.segments = batch.segments;
  input.ids = batch.ids;
  input.weights = moe.router_weights;
  input.layer = layer;
  if (moe.gate) input.logits = Linear(exec, input.x, moe.gate);
  if (!exec.ok()) return {};
  RouterOutput routed;
  moe.router->Route(exec, input, routed);
  for (RouteEdit* const edit : exec.route_edits()) {
    if (exec.ok()) exec.Fail(edit->Edit(layer, batch, routed));
  }
  if (!exec.ok()) return {};
  if (exec.observer() != nullptr) exec.observer()->OnRoute(layer, routed);

  DispatchPlan plan;
  if (Status status = BuildDispatchPlan(routed.routed, x.rows, routed.num_experts, plan);
      !status.ok()) {
    exec.Fail(std::move(status));
    return {};
  }
  // Experts that are not in memory come in while what needs none of them is computed.
  ExpertSource* const source =
      moe.source != nullptr && moe.source->streams() ? moe.source : nullptr;
  const ExpertVisit visit(source, layer, source == nullptr ? std::vector<int32_t>() : Loaded(plan));
  Matrix shared;
  if (moe.shared.has_value()) shared = RunFeedForward(exec, x, moe.shared->ffn);
  const Matrix packed = SelectRows(exec, x, plan.rows);
  const Matrix expert_rows =
      RunGroupedExperts(exec, packed, plan, moe.experts, source, batch, layer);
  const Matrix y = Combine(exec, expert_rows, routed, plan);
  if (!moe.shared.has_value()) return y;
  if (!moe.shared->gate) return Add(exec, y, shared);
  return AddGated(exec, y, Linear(exec, x, moe.shared->gate), shared);
}

}  // namespace moiety
