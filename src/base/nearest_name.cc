#include "base/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/check.h"

namespace moiety {

size_t EditDistance(std::string_view a, std::string_view b) {
  // Rows of the table for the last two bytes of `a` and for the present one.
  std::vector<size_t> two_before(b.size() + 1), before(b.size() + 1), now(b.size() + 1);
  std::iota(now.begin(), now.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(two_before, before);
    std::swap(before, now);
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({before[j] + 1, now[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], two_before[j - 2] + 1);
      }
    }
  }
  return now[b.size()];
}

std::string_view NearestName(std::string_view name, std::span<const std::string_view> names) {
  MOIETY_CHECK(!names.empty());
  constexpr size_t kMaxCompared = 256;
  name = name.substr(0, kMaxCompared);
  std::string_view nearest = names[0];
  size_t least = EditDistance(name, nearest);
  for (const std::string_view candidate : names.subspan(1)) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace moiety
