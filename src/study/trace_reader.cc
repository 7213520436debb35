#include "study/trace_reader.h"

#include <fstream>
#include <set>

#include "base/format.h"
#include "study/trace_lines.h"

namespace moiety {

Result<ExpertTrace> ReadExpertTrace(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return NotFound(Format("{}: cannot open", path.string()));
  return ParseExpertTrace(file, path.string());
}

Result<ExpertTrace> ParseExpertTrace(std::istream& lines, const std::string& name) {
  ExpertTrace trace;
  std::set<int64_t> layers;
  const auto on_heading = [&](const TraceHeading& heading) {
    trace.model = heading.model;
    trace.shape = heading.shape;
    return OkStatus();
  };
  const auto on_line = [&](const TraceLine& line) {
    if (line.layer < 0) {
      ++trace.num_steps;
      trace.num_rows += line.num_rows;
      return OkStatus();
    }
    std::set<int32_t> keys;
    for (const RoutedToken& choice : line.choices) {
      keys.insert(static_cast<int32_t>(line.layer * trace.shape.num_experts + choice.expert));
    }
    layers.insert(line.layer);
    trace.layers.push_back(line.layer);
    trace.visits.emplace_back(keys.begin(), keys.end());
    return OkStatus();
  };
  MOIETY_RETURN_IF_ERROR(ReadTraceLines(lines, name, on_heading, on_line));
  trace.num_moe_layers = static_cast<int64_t>(layers.size());
  return trace;
}

}  // namespace moiety
