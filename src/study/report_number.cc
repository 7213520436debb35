#include "study/report_number.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/format.h"

namespace moiety {

nlohmann::json ReportNumber(double value, int digits) {
  if (!std::isfinite(value)) return nullptr;
  const std::string text = Format("{:.{}g}", value, digits);
  double rounded = value;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  // 4096, not 4096.0; larger ones have more digits than are kept.
  if (rounded == std::trunc(rounded) && std::abs(rounded) < 1e6) {
    return static_cast<int64_t>(rounded);
  }
  return rounded;
}

nlohmann::json ReportNumbers(std::span<const double> values, int digits) {
  nlohmann::json list = nlohmann::json::array();
  for (const double value : values) list.push_back(ReportNumber(value, digits));
  return list;
}

}  // namespace moiety
