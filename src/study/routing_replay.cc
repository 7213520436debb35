#include "study/routing_replay.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <numeric>
#include <utility>

#include "base/format.h"
#include "ops/batch.h"
#include "study/trace_lines.h"

namespace moiety {

// Collects the lines of a trace.
class RoutingReplay::Reader {
 public:
  Reader(RoutingReplay& replay, const ModelInfo& info) : replay_(replay), info_(info) {}

  Status OnHeading(const TraceHeading& heading) const {
    const CacheShape& shape = heading.shape;
    if (shape.num_layers == info_.num_layers && shape.num_experts == info_.num_experts) {
      return OkStatus();
    }
    return InvalidArgument(Format("{}: is of {} layers of {} experts, the model has {} of {}",
                                  replay_.name_, shape.num_layers, shape.num_experts,
                                  info_.num_layers, info_.num_experts));
  }

  Status OnLine(const TraceLine& line) {
    if (line.layer < 0) {
      MOIETY_RETURN_IF_ERROR(EndStep());
      sequences_.insert(sequences_.end(), line.sequences.begin(), line.sequences.end());
      step_rows_ = line.num_rows;
      return OkStatus();
    }
    Layer& layer = replay_.layers_[line.layer];
    const auto before = static_cast<int64_t>(sequences_.size()) - step_rows_;
    if (layer.num_tokens() != before || line.num_rows != step_rows_) {
      return InvalidData(Format(
          "layer {} has choices of {} tokens after {}, expected {} after {} as the steps have rows",
          line.layer, line.num_rows, layer.num_tokens(), step_rows_, before));
    }
    size_t i = 0;
    for (int64_t row = 0; row < line.num_rows; ++row) {
      for (; i < line.choices.size() && line.choices[i].token == row; ++i) {
        const RoutedToken& choice = line.choices[i];
        if (!std::isfinite(choice.weight)) {
          return InvalidData(Format("expert {} of row {} has no weight", choice.expert, row));
        }
        layer.experts.push_back(choice.expert);
        layer.weights.push_back(choice.weight);
      }
      layer.begin.push_back(static_cast<int64_t>(layer.experts.size()));
    }
    return OkStatus();
  }

  Status End() {
    MOIETY_RETURN_IF_ERROR(EndStep());
    if (sequences_.empty()) return InvalidData("has no tokens");
    const auto num_layers = static_cast<int64_t>(replay_.layers_.size());
    if (num_layers != info_.num_moe_layers) {
      return InvalidArgument(Format("has choices of {} layers, the model has {} with experts",
                                    num_layers, info_.num_moe_layers));
    }
    replay_.order_.resize(sequences_.size());
    std::iota(replay_.order_.begin(), replay_.order_.end(), 0);
    std::stable_sort(replay_.order_.begin(), replay_.order_.end(), [this](int64_t a, int64_t b) {
      return sequences_[static_cast<size_t>(a)] < sequences_[static_cast<size_t>(b)];
    });
    return OkStatus();
  }

 private:
  // Every layer must have had its line.
  Status EndStep() const {
    for (const auto& [number, layer] : replay_.layers_) {
      if (layer.num_tokens() == static_cast<int64_t>(sequences_.size())) continue;
      return InvalidData(Format("a step ends without the choices of layer {}", number));
    }
    return OkStatus();
  }

  RoutingReplay& replay_;
  const ModelInfo& info_;
  std::vector<int64_t> sequences_;  // of the tokens
  int64_t step_rows_ = 0;
};

Result<std::unique_ptr<RoutingReplay>> RoutingReplay::Read(const std::filesystem::path& path,
                                                           const ModelInfo& info) {
  std::ifstream file(path);
  if (!file) return NotFound(Format("{}: cannot open", path.string()));
  return Parse(file, path.string(), info);
}

Result<std::unique_ptr<RoutingReplay>> RoutingReplay::Parse(std::istream& lines,
                                                            const std::string& name,
                                                            const ModelInfo& info) {
  if (info.num_experts == 0) {
    return InvalidArgument(
        Format("{}: cannot be replayed by a dense {} model, which routes nothing", name,
               info.architecture));
  }
  std::unique_ptr<RoutingReplay> replay(new RoutingReplay);
  replay->name_ = name;
  Reader reader(*replay, info);
  MOIETY_RETURN_IF_ERROR(ReadTraceLines(
      lines, name, [&](const TraceHeading& heading) { return reader.OnHeading(heading); },
      [&](const TraceLine& line) { return reader.OnLine(line); }));
  if (Status status = reader.End(); !status.ok()) return std::move(status).WithContext(name);
  return replay;
}

double RoutingReplay::choices_per_token() const {
  size_t choices = 0;
  for (const auto& [number, layer] : layers_) choices += layer.experts.size();
  return static_cast<double>(choices) /
         static_cast<double>(layers_.size() * static_cast<size_t>(num_tokens()));
}

Status RoutingReplay::Edit(int64_t layer, const Batch& batch, RouterOutput& routed) {
  const auto found = layers_.find(layer);
  if (found == layers_.end()) {
    return InvalidArgument(
        Format("{}: has no choices of layer {}, where the model has experts", name_, layer));
  }
  const Layer& recorded = found->second;
  routed.routed.clear();
  for (const Segment& segment : batch.segments) {
    const auto first = first_.find(segment.sequence);
    const int64_t begin = (first == first_.end() ? 0 : first->second) + segment.position;
    for (int64_t i = 0; i < segment.count; ++i) {
      const auto token = static_cast<size_t>(
          order_[static_cast<size_t>((begin + i) % static_cast<int64_t>(order_.size()))]);
      for (int64_t c = recorded.begin[token]; c < recorded.begin[token + 1]; ++c) {
        routed.routed.push_back({static_cast<int32_t>(segment.begin + i),
                                 recorded.experts[static_cast<size_t>(c)],
                                 recorded.weights[static_cast<size_t>(c)]});
      }
    }
  }
  routed.weights = {};
  return OkStatus();
}

}  // namespace moiety
