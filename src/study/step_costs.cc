#include "study/step_costs.h"

#include <algorithm>

#include "ops/batch.h"
#include "routing/router.h"

namespace moiety {
namespace {

// Of one token in one layer.
uint64_t KeyAndValueBytes(const StateSpec& spec) {
  return spec.page_bytes() / static_cast<uint64_t>(kPageTokens);
}

}  // namespace

void StepCostCounter::Cost::Add(const Weight& weight) {
  const auto count = static_cast<uint64_t>(*NumElements(weight.shape));
  if (weight.shape.size() == 1) {
    bytes += count * sizeof(float);  // vectors are kept in f32
    return;
  }
  bytes += DTypeBytes(weight.dtype, count);
  flops += 2 * count;
}

StepCostCounter::StepCostCounter(const ModelInfo& info, const WeightStore& store,
                                 const StateLayout& layout)
    : info_(info), layout_(layout), experts_(static_cast<size_t>(info.num_layers)) {
  for (const Weight& weight : store.weights()) {
    const auto index = static_cast<size_t>(weight.group.index);
    switch (weight.group.kind) {
      case WeightKind::kEmbedding:
        embedding_.bytes = DTypeBytes(weight.dtype, static_cast<uint64_t>(weight.shape[1]));
        break;
      case WeightKind::kHead:
        logit_row_.Add(weight);
        break;
      case WeightKind::kExpert: {
        auto& layer = experts_[static_cast<size_t>(weight.group.layer)];
        layer.resize(std::max(layer.size(), index + 1));
        layer[index].Add(weight);
        break;
      }
      case WeightKind::kAttention:
      case WeightKind::kFeedForward:
      case WeightKind::kRouter:
      case WeightKind::kNorm:
        every_row_.Add(weight);
        break;
    }
  }
}

void StepCostCounter::OnStep(const Batch& batch) {
  const auto rows = static_cast<uint64_t>(batch.num_rows());
  const uint64_t logit_rows = batch.logit_rows.size();
  ++costs_.num_steps;
  costs_.num_rows += batch.num_rows();
  costs_.weight_bytes += every_row_.bytes + rows * embedding_.bytes;
  if (logit_rows > 0) costs_.weight_bytes += logit_row_.bytes;
  costs_.flops += rows * every_row_.flops + logit_rows * logit_row_.flops;
  CountAttention(batch);
}

void StepCostCounter::CountAttention(const Batch& batch) {
  const auto d_queries = static_cast<uint64_t>(info_.num_heads * info_.head_dim);
  for (const StateSpec& spec : layout_.layers) {
    for (const Segment& segment : batch.segments) {
      // The row at position p sees the positions from max(0, p + 1 - window) to p.
      const auto first_seen = [&](int64_t position) {
        return spec.window == 0 ? 0 : std::max<int64_t>(0, position + 1 - spec.window);
      };
      const int64_t end = segment.position + segment.count;
      uint64_t seen = 0;
      for (int64_t p = segment.position; p < end; ++p) {
        seen += static_cast<uint64_t>(p + 1 - first_seen(p));
      }
      costs_.flops += 4 * d_queries * seen;  // scores, and the weighted sum of values
      costs_.kv_bytes +=
          static_cast<uint64_t>(end - first_seen(segment.position)) * KeyAndValueBytes(spec);
    }
  }
}

void StepCostCounter::OnRoute(int64_t layer, const RouterOutput& routed) {
  const std::vector<Cost>& experts = experts_[static_cast<size_t>(layer)];
  chosen_.assign(experts.size(), false);
  for (const RoutedToken& choice : routed.routed) {
    const auto expert = static_cast<size_t>(choice.expert);
    costs_.flops += experts[expert].flops;
    if (chosen_[expert]) continue;
    chosen_[expert] = true;
    ++costs_.experts_used;
    costs_.weight_bytes += experts[expert].bytes;
  }
}

}  // namespace moiety
