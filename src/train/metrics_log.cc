#include "train/metrics_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/format.h"
#include "format/replacing_file.h"
#include "io/mapped_file.h"
#include "routing/router_losses.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLinesName = "log.jsonl";
constexpr const char* kTableName = "metrics.csv";
constexpr uint64_t kMaxLogBytes = uint64_t{1} << 30;

// Columns of metrics.csv: numbers of a step.
std::vector<std::string> Columns() {
  std::vector<std::string> columns = {"step",          "loss",   "lr",
                                      "gradient_norm", "tokens", "tokens_per_s"};
  for (const RouterLossInfo& info : kRouterLosses) columns.emplace_back(info.name);
  columns.emplace_back("skipped");
  return columns;
}

std::string CsvLine(const nlohmann::ordered_json& row) {
  std::string line;
  for (const std::string& column : Columns()) {
    if (!line.empty()) line += ',';
    const auto it = row.find(column);
    if (it == row.end()) continue;
    if (!it->is_string()) {
      line += it->dump();
      continue;
    }
    line += '"';
    for (const char c : it->get<std::string>()) line += c == '"' ? "\"\"" : std::string(1, c);
    line += '"';
  }
  return line + "\n";
}

std::string CsvHead() {
  std::string line;
  for (const std::string& column : Columns()) line += (line.empty() ? "" : ",") + column;
  return line + "\n";
}

// The lines of an old log up to a step.
Result<std::pair<std::string, std::string>> KeptLines(const fs::path& run, int64_t step) {
  std::string lines;
  std::string table = CsvHead();
  std::error_code error;
  if (!fs::exists(run / kLinesName, error)) return std::pair(lines, table);
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(run / kLinesName, kMaxLogBytes));
  std::string_view rest = text;
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;  // cut short
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const auto row = nlohmann::ordered_json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("step") || !row["step"].is_number_integer() ||
        !row.contains("event")) {
      return InvalidData(Format("{}:{}: expected an object with \"event\" and \"step\"",
                                (run / kLinesName).string(), number));
    }
    if (row["step"].get<int64_t>() > step) continue;
    lines += std::string(line) + "\n";
    if (row["event"] == "step") table += CsvLine(row);
  }
  return std::pair(lines, table);
}

Result<int> OpenToAppend(const fs::path& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return IoError(Format("{}: cannot open: {}", path.string(), std::strerror(errno)));
  return fd;
}

Status Append(int fd, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return IoError(Format("{}: cannot write: {}", path.string(), std::strerror(errno)));
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
  return OkStatus();
}

}  // namespace

Result<MetricsLog> MetricsLog::Open(const fs::path& run, int64_t step) {
  std::string lines;
  std::string table = CsvHead();
  if (step > 0) {
    MOIETY_ASSIGN_OR_RETURN(auto kept, KeptLines(run, step));
    std::tie(lines, table) = std::move(kept);
  }
  MOIETY_RETURN_IF_ERROR(ReplaceFile(run / kLinesName, lines));
  MOIETY_RETURN_IF_ERROR(ReplaceFile(run / kTableName, table));
  MOIETY_ASSIGN_OR_RETURN(const int lines_fd, OpenToAppend(run / kLinesName));
  Result<int> table_fd = OpenToAppend(run / kTableName);
  if (!table_fd.ok()) {
    close(lines_fd);
    return Status(table_fd.status());
  }
  return MetricsLog(run, lines_fd, *table_fd);
}

MetricsLog::MetricsLog(MetricsLog&& other) noexcept
    : run_(std::move(other.run_)),
      lines_(std::exchange(other.lines_, -1)),
      table_(std::exchange(other.table_, -1)) {}

MetricsLog::~MetricsLog() {
  if (lines_ >= 0) close(lines_);
  if (table_ >= 0) close(table_);
}

Status MetricsLog::Add(const nlohmann::ordered_json& row) {
  MOIETY_RETURN_IF_ERROR(Append(lines_, row.dump() + "\n", run_ / kLinesName));
  if (row.value("event", "") != "step") return OkStatus();
  return Append(table_, CsvLine(row), run_ / kTableName);
}

}  // namespace moiety
