#include "models/router_config.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/format.h"

namespace moiety {
namespace {

// Far above any model: they bound what a config can make us allocate.
constexpr int64_t kMaxBranching = 1 << 20;
constexpr int64_t kMaxKey = 1 << 16;

constexpr const char* kReinforce = "reinforce";
constexpr const char* kStraightThrough = "straight_through";

double NotNegative(ConfigReader& object, const char* key, double fallback) {
  const double value = object.FloatOr(key, fallback);
  if (value < 0 || value > 1e6) {
    object.Fail(key, Format("must be from 0 to 1000000, found {}", value));
  }
  return value;
}

}  // namespace

void ReadRouter(ConfigReader& config, std::string& strategy, RouterOptions& options) {
  std::optional<ConfigReader> object = config.Object(kRouterKey);
  if (!object.has_value()) return;
  strategy = object->String("strategy");
  const RouterOptions none;
  options.capacity_factor = NotNegative(*object, "capacity_factor", none.capacity_factor);
  options.scale = NotNegative(*object, "scale", none.scale);
  options.noise = NotNegative(*object, "noise", none.noise);
  options.groups = object->IntOr("groups", none.groups, 1, INT32_MAX);
  options.groups_per_token = object->IntOr("groups_per_token", none.groups_per_token, 1, INT32_MAX);
  options.seed =
      static_cast<uint64_t>(object->IntOr("seed", static_cast<int64_t>(none.seed), 0, INT64_MAX));
  options.branching = object->IntOr("branching", none.branching, 2, kMaxBranching);
  options.d_key = object->IntOr("d_key", none.d_key, 1, kMaxKey);
  const std::string estimator = object->StringOr("estimator", kStraightThrough);
  if (estimator != kStraightThrough && estimator != kReinforce) {
    object->Fail("estimator", Format("must be \"{}\" or \"{}\", found \"{}\"", kStraightThrough,
                                     kReinforce, estimator));
  }
  options.estimator =
      estimator == kReinforce ? ChoiceEstimator::kReinforce : ChoiceEstimator::kStraightThrough;
  options.table.clear();
  for (const int64_t expert : object->IntsOr("table", {}, 0, INT32_MAX)) {
    options.table.push_back(static_cast<int32_t>(expert));
  }
}

nlohmann::json RouterObject(const std::string& strategy, const RouterOptions& options) {
  nlohmann::json object = {{"strategy", strategy}};
  const RouterOptions none;
  const auto add = [&](const char* key, const auto& value, const auto& fallback) {
    if (value != fallback) object[key] = value;
  };
  add("capacity_factor", options.capacity_factor, none.capacity_factor);
  add("scale", options.scale, none.scale);
  add("noise", options.noise, none.noise);
  add("groups", options.groups, none.groups);
  add("groups_per_token", options.groups_per_token, none.groups_per_token);
  add("seed", options.seed, none.seed);
  add("branching", options.branching, none.branching);
  add("d_key", options.d_key, none.d_key);
  if (options.estimator == ChoiceEstimator::kReinforce) object["estimator"] = kReinforce;
  add("table", options.table, none.table);
  return object;
}

}  // namespace moiety
