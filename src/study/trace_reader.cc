#include "study/trace_reader.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/format.h"
#include "format/config_reader.h"
#include "format/json.h"

namespace moiety {
namespace {

// Far above any model: what follows is allocated for them.
constexpr int64_t kMaxTraceLayers = 100'000;
constexpr int64_t kMaxTraceExperts = 1'000'000;
constexpr int64_t kMaxTraceKeys = 100'000'000;

Status ReadHeading(ConfigReader& heading, ExpertTrace& trace) {
  if (heading.String("format") != "moiety-trace" && heading.status().ok()) {
    heading.Fail("format", "must be \"moiety-trace\"");
  }
  heading.IntOr("version", 1, 1, 1);
  trace.model = heading.StringOr("model", "");
  trace.shape.num_layers = heading.IntOr("num_layers", 0, 1, kMaxTraceLayers);
  trace.shape.num_experts = heading.IntOr("num_experts", 0, 1, kMaxTraceExperts);
  if (heading.status().ok() && trace.shape.num_keys() > kMaxTraceKeys) {
    heading.Fail("num_experts", Format("{} layers of them are too many", trace.shape.num_layers));
  }
  return heading.status();
}

// The keys of the line of a layer.
Result<std::vector<int32_t>> ReadVisit(const nlohmann::json& line, const CacheShape& shape,
                                       int64_t layer) {
  std::set<int32_t> keys;
  for (const nlohmann::json& row : line["experts"]) {
    if (!row.is_array()) return InvalidData("\"experts\" must be a list of lists");
    for (const nlohmann::json& expert : row) {
      if (!expert.is_number_integer() || expert < 0 || expert >= shape.num_experts) {
        return InvalidData(Format("expert {} is not one of {}", expert.dump(), shape.num_experts));
      }
      keys.insert(static_cast<int32_t>(layer * shape.num_experts + expert.get<int64_t>()));
    }
  }
  return std::vector<int32_t>(keys.begin(), keys.end());
}

Status ReadTraceLine(const nlohmann::json& line, const std::string& where, ExpertTrace& trace) {
  if (!line.is_object()) return InvalidData(where + ": expected an object");
  if (line.contains("rows")) {
    ++trace.num_steps;
    trace.num_rows += static_cast<int64_t>(line["rows"].size());
    return OkStatus();
  }
  ConfigReader reader(line, where);
  const int64_t layer = reader.IntOr("layer", -1, 0, trace.shape.num_layers - 1);
  if (layer < 0) reader.Fail("layer", "must be there");
  if (!line.contains("experts") || !line["experts"].is_array()) {
    reader.Fail("experts", "must be a list");
  }
  MOIETY_RETURN_IF_ERROR(Status(reader.status()));
  Result<std::vector<int32_t>> keys = ReadVisit(line, trace.shape, layer);
  if (!keys.ok()) return std::move(keys).status().WithContext(where);
  trace.layers.push_back(layer);
  trace.visits.push_back(*std::move(keys));
  return OkStatus();
}

}  // namespace

Result<ExpertTrace> ReadExpertTrace(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return NotFound(Format("{}: cannot open", path.string()));
  return ParseExpertTrace(file, path.string());
}

Result<ExpertTrace> ParseExpertTrace(std::istream& lines, const std::string& name) {
  ExpertTrace trace;
  int64_t number = 0;
  for (std::string text; std::getline(lines, text);) {
    const std::string where = Format("{}: line {}", name, ++number);
    MOIETY_ASSIGN_OR_RETURN(const nlohmann::json line, ParseJson(text, where));
    if (number == 1) {
      ConfigReader heading(line, where);
      MOIETY_RETURN_IF_ERROR(ReadHeading(heading, trace));
    } else {
      MOIETY_RETURN_IF_ERROR(ReadTraceLine(line, where, trace));
    }
  }
  if (number == 0) return InvalidData(Format("{}: is empty, expected a trace", name));
  const std::set<int64_t> layers(trace.layers.begin(), trace.layers.end());
  trace.num_moe_layers = static_cast<int64_t>(layers.size());
  return trace;
}

}  // namespace moiety
