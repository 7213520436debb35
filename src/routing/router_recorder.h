// RouterRecorder: keeps what the routers of a run decided.
#ifndef MOIETY_ROUTING_ROUTER_RECORDER_H_
#define MOIETY_ROUTING_ROUTER_RECORDER_H_

#include <vector>

#include "moiety/layer_routing.h"
#include "ops/observer.h"

namespace moiety {

// Appends the tokens of every step to its layer.
class RouterRecorder : public Observer {
 public:
  // Choices beyond `top_k` per token are not kept.
  explicit RouterRecorder(int64_t top_k) : top_k_(top_k) {}

  void OnRoute(int64_t layer, const RouterOutput& routed) override;

  // In the order in which the layers first routed. Moves the records out.
  std::vector<LayerRouting> Take() { return std::move(layers_); }

 private:
  int64_t top_k_;
  std::vector<LayerRouting> layers_;
};

}  // namespace moiety

#endif  // MOIETY_ROUTING_ROUTER_RECORDER_H_
