#define FMT_HEADER_ONLY 1
#include "base/format.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>

namespace moiety {
namespace {

std::string WithUnit(double value, const std::array<const char*, 5>& units) {
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return Format("{:.0f}{}", value, units[0]);
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return Format("{:.{}f}{}", value, decimals, units[unit]);
}

}  // namespace

std::string VFormat(fmt::string_view format, fmt::format_args args) {
  return fmt::vformat(format, args);
}

std::string FormatBytes(uint64_t bytes) {
  return WithUnit(static_cast<double>(bytes), {" B", " kB", " MB", " GB", " TB"});
}

std::string FormatCount(uint64_t count) {
  return WithUnit(static_cast<double>(count), {"", " k", " M", " B", " T"});
}

bool ParseBytes(const std::string& text, uint64_t* bytes) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) == 0) return false;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  std::string unit;
  for (; *end != '\0'; ++end) unit += static_cast<char>(std::tolower(*end));
  if (!unit.empty() && unit.back() == 'b') unit.pop_back();
  double base = 1000;
  if (!unit.empty() && unit.back() == 'i') {
    base = 1024;
    unit.pop_back();
    if (unit.empty()) return false;
  }
  static const std::string kPrefixes = "kmgt";
  double scale = 1;
  if (!unit.empty()) {
    const size_t power = kPrefixes.find(unit);
    if (unit.size() != 1 || power == std::string::npos) return false;
    scale = std::pow(base, static_cast<double>(power + 1));
  }
  const double value = number * scale;
  if (!(value >= 0) || value > 9.2e18) return false;
  *bytes = static_cast<uint64_t>(value);
  return true;
}

}  // namespace moiety
