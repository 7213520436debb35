// MetricsLog: what a run reports, a JSON object per line in RUN/log.jsonl, and the numbers of its
// steps in RUN/metrics.csv.
#ifndef MOIETY_TRAIN_METRICS_LOG_H_
#define MOIETY_TRAIN_METRICS_LOG_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "moiety/status.h"

namespace moiety {

class MetricsLog {
 public:
  // The log of a run that has taken `step` steps: lines about later ones, which will be taken once
  // more, are removed, as is a last line that was cut short. 0: a new log.
  static Result<MetricsLog> Open(const std::filesystem::path& run, int64_t step);
  MetricsLog(MetricsLog&& other) noexcept;
  MetricsLog& operator=(MetricsLog&&) = delete;
  ~MetricsLog();

  // Appends a line; it is with the system when this returns. `row` has "event" and "step"; those of
  // event "step" also go to metrics.csv, whose columns are the row's own numbers and texts.
  Status Add(const nlohmann::ordered_json& row);

 private:
  MetricsLog(std::filesystem::path run, int lines, int table)
      : run_(std::move(run)), lines_(lines), table_(table) {}

  std::filesystem::path run_;
  int lines_;  // descriptors of the two files
  int table_;
};

}  // namespace moiety

#endif  // MOIETY_TRAIN_METRICS_LOG_H_
