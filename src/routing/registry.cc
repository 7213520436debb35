// The routing strategies by name. A new one: its file, and a line here.
#include <array>
#include <string>

#include "base/format.h"
#include "routing/router.h"
#include "routing/topk.h"

namespace moiety {
namespace {

struct Strategy {
  std::string_view name;
  Result<std::unique_ptr<const Router>> (*make)(const RouterOptions& options);
};

constexpr std::array kStrategies = {
    Strategy{"topk", MakeTopKRouter},
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeRouter(std::string_view name,
                                                 const RouterOptions& options) {
  std::string names;
  for (const Strategy& strategy : kStrategies) {
    if (strategy.name == name) return strategy.make(options);
    names += (names.empty() ? "" : ", ") + std::string(strategy.name);
  }
  return InvalidArgument(Format("unknown router \"{}\": expected one of {}", name, names));
}

}  // namespace moiety
