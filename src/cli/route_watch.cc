#include "cli/route_watch.h"

#include "base/format.h"
#include "routing/router.h"

namespace moiety::cli {

Result<std::unique_ptr<RouteWatch>> RouteWatch::Create(const Engine& engine, bool experts,
                                                       const std::string& trace, int64_t layer) {
  const ModelInfo& info = engine.model().info();
  if (experts && info.num_experts == 0) {
    return InvalidArgument(
        Format("--experts: {} is a dense {} model", engine.path().string(), info.architecture));
  }
  if (layer >= info.num_layers) {
    return InvalidArgument(
        Format("--experts-layer must be from 0 to {}, found {}", info.num_layers - 1, layer));
  }
  if (!trace.empty() && info.num_experts == 0) {
    return InvalidArgument(Format("--trace: {} is a dense {} model, which routes nothing",
                                  engine.path().string(), info.architecture));
  }
  std::unique_ptr<TraceWriter> writer;
  if (!trace.empty()) {
    MOIETY_ASSIGN_OR_RETURN(writer, TraceWriter::Create(trace, info));
  }
  return std::unique_ptr<RouteWatch>(
      new RouteWatch(experts, layer < 0 ? info.num_layers - 1 : layer, std::move(writer)));
}

void RouteWatch::OnStep(const Batch& batch) {
  if (trace_ != nullptr) trace_->OnStep(batch);
}

void RouteWatch::OnRoute(int64_t layer, const RouterOutput& routed) {
  if (experts_) stats_.OnRoute(layer, routed);
  if (trace_ != nullptr) trace_->OnRoute(layer, routed);
  if (layer != layer_) return;
  const RoutedToken* strongest = nullptr;
  for (const RoutedToken& choice : routed.routed) {
    if (choice.token != routed.num_tokens - 1) continue;
    if (strongest == nullptr || choice.weight > strongest->weight) strongest = &choice;
  }
  strongest_ = strongest == nullptr ? -1 : strongest->expert;
}

}  // namespace moiety::cli
