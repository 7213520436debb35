#include "runtime/stop_strings.h"

#include <algorithm>
#include <utility>

namespace moiety {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, "");
}

std::string StopStrings::Next(std::string_view text) {
  held_ += text;
  size_t end = std::string::npos;
  for (const std::string& stop : stops_) end = std::min(end, held_.find(stop));
  if (end != std::string::npos) {
    found_ = true;
    return std::exchange(held_, "").substr(0, end);
  }
  // Hold back the longest end of the text that a stop string begins with.
  size_t hold = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(held_.size(), stop.size() - 1); n > hold; --n) {
      if (std::string_view(held_).substr(held_.size() - n) == std::string_view(stop).substr(0, n))
        hold = n;
    }
  }
  std::string out = held_.substr(0, held_.size() - hold);
  held_.erase(0, out.size());
  return out;
}

std::string StopStrings::Finish() { return std::exchange(held_, ""); }

}  // namespace moiety
