// Reads traces (trace.h) back: which experts each layer of each step used.
#ifndef MOIETY_STUDY_TRACE_READER_H_
#define MOIETY_STUDY_TRACE_READER_H_

#include <cstdint>
#include <filesystem>
#include <istream>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "store/cache_policy.h"

namespace moiety {

// A visit is one layer of one step: the experts that any of its rows chose, each once.
struct ExpertTrace {
  std::string model;
  CacheShape shape;
  int64_t num_moe_layers = 0;  // that occur
  int64_t num_steps = 0;
  int64_t num_rows = 0;                      // of all steps
  std::vector<int64_t> layers;               // of each visit
  std::vector<std::vector<int32_t>> visits;  // keys, ascending

  int64_t num_experts() const { return num_moe_layers * shape.num_experts; }
};

// Fails for what is not a trace, or breaks off within a line; errors name the line.
Result<ExpertTrace> ReadExpertTrace(const std::filesystem::path& path);
// The same of a stream; `name` stands in messages.
Result<ExpertTrace> ParseExpertTrace(std::istream& lines, const std::string& name);

}  // namespace moiety

#endif  // MOIETY_STUDY_TRACE_READER_H_
