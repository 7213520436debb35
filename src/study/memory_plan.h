// MemoryPlan: what of a model would be in memory under a limit, and how fast that would be.
#ifndef MOIETY_STUDY_MEMORY_PLAN_H_
#define MOIETY_STUDY_MEMORY_PLAN_H_

#include <cstdint>

#include "moiety/model_info.h"
#include "store/weight_store.h"

namespace moiety {

// What was measured, in bytes per second.
struct MeasuredSpeeds {
  double memory = 0;  // read by all threads
  double disk = 0;
};

struct MemoryPlan {
  bool streamed = false;        // else everything is in memory
  uint64_t resident_bytes = 0;  // of weights
  uint64_t streamed_bytes = 0;  // of experts on disk
  uint64_t beside_bytes = 0;    // for the KV cache and buffers, at least
  uint64_t least_bytes = 0;     // the least limit that works
  int64_t num_slots = 0;        // experts in memory at once
  int64_t num_experts = 0;
  double hit_rate = 1;            // expected, of experts
  uint64_t token_bytes = 0;       // of weights that one token reads
  uint64_t token_disk_bytes = 0;  // of them from disk, as expected
  double tokens_per_s = 0;        // of one text being written, at best
};

// `limit` is the memory limit, `beside` what a step needs beside weights. A limit below least_bytes
// has no slots and no speed. Without a rate from a trace (hit_rate < 0) experts are taken to be
// chosen uniformly: a cache then hits as often as it has the share of them, the worst case of
// routers.
MemoryPlan PlanMemory(const StreamNeeds& needs, const ModelInfo& info, uint64_t limit,
                      uint64_t beside, const MeasuredSpeeds& speeds, double hit_rate = -1);

}  // namespace moiety

#endif  // MOIETY_STUDY_MEMORY_PLAN_H_
