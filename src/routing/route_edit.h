// RouteEdit: what comes between a router and the experts, other than the router: limits of choices,
// choices that were recorded earlier.
#ifndef MOIETY_ROUTING_ROUTE_EDIT_H_
#define MOIETY_ROUTING_ROUTE_EDIT_H_

#include <cstdint>

#include "moiety/status.h"
#include "ops/batch.h"
#include "routing/router.h"

namespace moiety {

// Observers see what an edit leaves, and the experts run it. Edits are for passes without a tape:
// changed weights have no way back.
class RouteEdit {
 public:
  virtual ~RouteEdit() = default;
  // Changes routed.routed, which stays by token and best first, and empties routed.weights. Called
  // on the thread that drives the step; a failure ends the step.
  virtual Status Edit(int64_t layer, const Batch& batch, RouterOutput& routed) = 0;
};

}  // namespace moiety

#endif  // MOIETY_ROUTING_ROUTE_EDIT_H_
