#include "study/trace_lines.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
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

Status ReadHeading(ConfigReader& heading, TraceHeading& out) {
  if (heading.String("format") != "moiety-trace" && heading.status().ok()) {
    heading.Fail("format", "must be \"moiety-trace\"");
  }
  heading.IntOr("version", 1, 1, 1);
  out.model = heading.StringOr("model", "");
  out.shape.num_layers = heading.IntOr("num_layers", 0, 1, kMaxTraceLayers);
  out.shape.num_experts = heading.IntOr("num_experts", 0, 1, kMaxTraceExperts);
  if (heading.status().ok() && out.shape.num_keys() > kMaxTraceKeys) {
    heading.Fail("num_experts", Format("{} layers of them are too many", out.shape.num_layers));
  }
  return heading.status();
}

Status ReadRows(const nlohmann::json& rows, TraceLine& out) {
  if (!rows.is_array()) return InvalidData("\"rows\" must be a list");
  for (const nlohmann::json& row : rows) {
    if (!row.is_array() || row.empty() || !row[0].is_number_integer() || row[0] < 0) {
      return InvalidData(Format("row {} has no sequence", ShowJson(row)));
    }
    out.sequences.push_back(row[0].get<int64_t>());
  }
  out.num_rows = static_cast<int64_t>(rows.size());
  return OkStatus();
}

Status ReadChoices(const nlohmann::json& experts, const CacheShape& shape, TraceLine& out) {
  for (const nlohmann::json& row : experts) {
    if (!row.is_array()) return InvalidData("\"experts\" must be a list of lists");
    for (const nlohmann::json& expert : row) {
      if (!expert.is_number_integer() || expert < 0 || expert >= shape.num_experts) {
        return InvalidData(
            Format("expert {} is not one of {}", ShowJson(expert), shape.num_experts));
      }
      out.choices.push_back({static_cast<int32_t>(out.num_rows), expert.get<int32_t>(),
                             std::numeric_limits<float>::quiet_NaN()});
    }
    ++out.num_rows;
  }
  return OkStatus();
}

Status ReadWeights(const nlohmann::json& weights, TraceLine& out) {
  const Status mismatch = InvalidData("\"weights\" must have a number for each expert");
  if (!weights.is_array()) return mismatch;
  size_t i = 0;
  int32_t token = 0;
  for (const nlohmann::json& row : weights) {
    if (!row.is_array()) return mismatch;
    for (const nlohmann::json& weight : row) {
      if (i == out.choices.size() || out.choices[i].token != token) return mismatch;
      if (!weight.is_number() && !weight.is_null()) return mismatch;
      // What no f32 holds stays NaN.
      constexpr double kMost = std::numeric_limits<float>::max();
      if (weight.is_number() && std::abs(weight.get<double>()) <= kMost) {
        out.choices[i].weight = weight.get<float>();
      }
      ++i;
    }
    ++token;
  }
  return i == out.choices.size() && token == out.num_rows ? OkStatus() : mismatch;
}

Result<TraceLine> ReadLine(const nlohmann::json& line, const std::string& where,
                           const CacheShape& shape) {
  TraceLine out;
  if (!line.is_object()) return InvalidData("expected an object");
  if (line.contains("rows")) {
    MOIETY_RETURN_IF_ERROR(ReadRows(line["rows"], out));
    return out;
  }
  ConfigReader reader(line, where);
  out.layer = reader.IntOr("layer", -1, 0, shape.num_layers - 1);
  if (out.layer < 0) return InvalidData("\"layer\" must be there, one of the model's");
  if (!line.contains("experts") || !line["experts"].is_array()) {
    return InvalidData("\"experts\" must be a list");
  }
  MOIETY_RETURN_IF_ERROR(ReadChoices(line["experts"], shape, out));
  if (line.contains("weights")) MOIETY_RETURN_IF_ERROR(ReadWeights(line["weights"], out));
  return out;
}

}  // namespace

Status ReadTraceLines(std::istream& lines, const std::string& name,
                      const std::function<Status(const TraceHeading&)>& on_heading,
                      const std::function<Status(const TraceLine&)>& on_line) {
  TraceHeading heading;
  int64_t number = 0;
  for (std::string text; std::getline(lines, text);) {
    const std::string where = Format("{}: line {}", name, ++number);
    MOIETY_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJson(text, where));
    if (number == 1) {
      ConfigReader reader(json, where);
      MOIETY_RETURN_IF_ERROR(ReadHeading(reader, heading));
      MOIETY_RETURN_IF_ERROR(on_heading(heading));
      continue;
    }
    Result<TraceLine> line = ReadLine(json, where, heading.shape);
    Status status = line.ok() ? on_line(*line) : std::move(line).status();
    if (!status.ok()) return std::move(status).WithContext(where);
  }
  if (number == 0) return InvalidData(Format("{}: is empty, expected a trace", name));
  return OkStatus();
}

}  // namespace moiety
