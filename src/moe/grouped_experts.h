// Grouped experts: every expert runs once over all its packed rows.
#ifndef MOIETY_MOE_GROUPED_EXPERTS_H_
#define MOIETY_MOE_GROUPED_EXPERTS_H_

#include <span>

#include "moe/dispatch_plan.h"
#include "moe/feed_forward.h"
#include "ops/batch.h"
#include "ops/exec.h"
#include "store/expert_source.h"
#include "tensor/matrix.h"

namespace moiety {

// Packed rows plan.begin[e] .. plan.begin[e + 1) through expert e; experts without rows cost
// nothing. A `source` that streams (null: all experts are in memory) has been asked for all experts
// with rows; they are computed as they arrive, which changes no bit. `batch` and `layer` say whose
// rows they are, for ExpertDropout().
//   packed [num_routed, d_model] → [num_routed, d_model]
Matrix RunGroupedExperts(Exec& exec, const Matrix& packed, const DispatchPlan& plan,
                         std::span<const FeedForward> experts, ExpertSource* source = nullptr,
                         const Batch& batch = {}, int64_t layer = 0);

// y[t] = Σ over t's choices of weight · expert_rows[packed row of the choice], in the order of
// `routed`.   → [num_tokens, cols of expert_rows]
Matrix Combine(Exec& exec, const Matrix& expert_rows, const RouterOutput& routed,
               const DispatchPlan& plan);

}  // namespace moiety

#endif  // MOIETY_MOE_GROUPED_EXPERTS_H_
