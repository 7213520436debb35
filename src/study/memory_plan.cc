#include "study/memory_plan.h"

#include <algorithm>

#include "store/expert_streamer.h"

namespace moiety {

MemoryPlan PlanMemory(const StreamNeeds& needs, const ModelInfo& info, uint64_t limit,
                      uint64_t beside, const MeasuredSpeeds& speeds, double hit_rate) {
  MemoryPlan plan;
  plan.num_experts = needs.num_experts;
  plan.beside_bytes = beside;
  const uint64_t whole = needs.resident_bytes + needs.streamed_bytes;
  plan.streamed = needs.num_experts > 0 && whole + beside > limit;
  const uint64_t expert_bytes =
      needs.num_experts == 0 ? 0 : needs.streamed_bytes / static_cast<uint64_t>(needs.num_experts);
  const auto experts_of_token = static_cast<uint64_t>(needs.num_layers * info.top_k);
  plan.token_bytes = needs.resident_bytes + experts_of_token * expert_bytes;
  plan.least_bytes = whole + beside;
  plan.resident_bytes = whole;
  plan.num_slots = needs.num_experts;
  if (needs.num_experts > 0) {
    plan.least_bytes =
        std::min(plan.least_bytes,
                 needs.resident_bytes + ExpertStreamer::kMinSlots * needs.slot_bytes + beside);
  }
  if (limit < plan.least_bytes) {
    plan.num_slots = 0;
    plan.hit_rate = 0;
    return plan;
  }
  if (plan.streamed) {
    plan.num_slots =
        std::min(needs.num_experts,
                 static_cast<int64_t>((limit - needs.resident_bytes - beside) / needs.slot_bytes));
    plan.resident_bytes = needs.resident_bytes;
    plan.streamed_bytes = needs.streamed_bytes;
    plan.hit_rate = hit_rate >= 0 ? hit_rate
                                  : static_cast<double>(plan.num_slots) /
                                        static_cast<double>(needs.num_experts);
    plan.token_disk_bytes = static_cast<uint64_t>(
        (1 - plan.hit_rate) * static_cast<double>(experts_of_token * expert_bytes));
  }
  const double seconds =
      static_cast<double>(plan.token_bytes) / speeds.memory +
      (plan.token_disk_bytes == 0 ? 0 : static_cast<double>(plan.token_disk_bytes) / speeds.disk);
  plan.tokens_per_s = seconds > 0 ? 1 / seconds : 0;
  return plan;
}

}  // namespace moiety
