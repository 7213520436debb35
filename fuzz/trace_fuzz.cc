// Traces: any lines are a trace or an error, and what is a trace can be studied, and replayed by a
// model of its size.
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "ops/batch.h"
#include "routing/router.h"
#include "study/cache_study.h"
#include "study/routing_replay.h"
#include "study/trace_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  const auto trace = moiety::ParseExpertTrace(lines, "trace");
  if (!trace.ok()) return 0;
  moiety::ModelInfo info;
  info.num_layers = trace->shape.num_layers;
  info.num_experts = trace->shape.num_experts;
  info.num_moe_layers = trace->num_moe_layers;
  lines.clear();
  lines.seekg(0);
  const auto replay = moiety::RoutingReplay::Parse(lines, "trace", info);
  if (replay.ok() && !trace->layers.empty()) {
    const std::vector<int32_t> ids(7);
    moiety::Batch batch;
    batch.ids = ids;
    batch.segments = {{.begin = 0, .count = 7, .position = 3, .sequence = 0, .pages = {}}};
    moiety::RouterOutput routed;
    (void)(*replay)->Edit(trace->layers.front(), batch, routed);
  }
  // Larger ones only take memory.
  if (trace->shape.num_keys() < 10'000) {
    (void)moiety::StudyCache(*trace, std::vector{0.3});
  }
  return 0;
}
