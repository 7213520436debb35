#include "study/trace.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "base/format.h"
#include "ops/batch.h"
#include "routing/router.h"

namespace moiety {

Result<std::unique_ptr<TraceWriter>> TraceWriter::Create(const std::filesystem::path& path,
                                                         const ModelInfo& info) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) {
    return IoError(Format("{}: cannot write the trace: {}", path.string(), std::strerror(errno)));
  }
  std::unique_ptr<TraceWriter> writer(new TraceWriter(path, file));
  writer->Write(Format(
      R"({{"format":"moiety-trace","version":1,"model":"{}","num_layers":{},"num_experts":{},"top_k":{}}})",
      info.architecture, info.num_layers, info.num_experts, info.top_k));
  return writer;
}

TraceWriter::~TraceWriter() {
  if (file_ != nullptr) std::fclose(file_);
}

void TraceWriter::Write(const std::string& line) {
  if (error_ != 0) return;
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() ||
      std::fputc('\n', file_) == EOF) {
    error_ = errno;
  }
}

void TraceWriter::OnStep(const Batch& batch) {
  ++step_;
  std::string line = Format(R"({{"step":{},"rows":[)", step_);
  for (const Segment& segment : batch.segments) {
    for (int64_t i = 0; i < segment.count; ++i) {
      line += Format("{}[{},{},{}]", segment.begin + i == 0 ? "" : ",", segment.sequence,
                     segment.position + i, batch.ids[static_cast<size_t>(segment.begin + i)]);
    }
  }
  Write(line + "]}");
}

void TraceWriter::OnRoute(int64_t layer, const RouterOutput& routed) {
  std::string experts;
  std::string weights;
  size_t i = 0;
  for (int64_t token = 0; token < routed.num_tokens; ++token) {
    experts += token == 0 ? "[" : ",[";
    weights += token == 0 ? "[" : ",[";
    for (bool first = true; i < routed.routed.size() && routed.routed[i].token == token;
         ++i, first = false) {
      experts += Format("{}{}", first ? "" : ",", routed.routed[i].expert);
      weights += first ? "" : ",";
      // JSON has no word for what a broken model computes.
      const float weight = routed.routed[i].weight;
      weights += std::isfinite(weight) ? Format("{:.9g}", weight) : "null";
    }
    experts += "]";
    weights += "]";
  }
  Write(Format(R"({{"step":{},"layer":{},"experts":[{}],"weights":[{}]}})", step_, layer, experts,
               weights));
}

Status TraceWriter::Close() {
  if (std::fclose(std::exchange(file_, nullptr)) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0) return OkStatus();
  return IoError(Format("{}: cannot write the trace: {}", path_.string(), std::strerror(error_)));
}

}  // namespace moiety
