#include "models/router_config.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct RouterRead {
  std::string strategy = "topk";
  RouterOptions options;
  std::string error;
};

RouterRead ReadFrom(const json& config) {
  RouterRead read;
  ConfigReader reader(config, "config.json");
  ReadRouter(reader, read.strategy, read.options);
  read.error = reader.status().message();
  return read;
}

TEST(RouterConfig, WithoutTheObjectNothingChanges) {
  const RouterRead read = ReadFrom({{"num_experts", 8}});
  EXPECT_EQ(read.error, "");
  EXPECT_EQ(read.strategy, "topk");
}

TEST(RouterConfig, ReadsWhatItWrites) {
  RouterOptions options;
  options.capacity_factor = 1.25;
  options.scale = 2.5;
  options.groups = 4;
  options.groups_per_token = 2;
  options.noise = 0.5;
  options.seed = 77;
  options.branching = 4;
  options.d_key = 32;
  options.estimator = ChoiceEstimator::kReinforce;
  options.table = {1, 0, 3};
  const RouterRead read = ReadFrom({{kRouterKey, RouterObject("hash", options)}});
  EXPECT_EQ(read.error, "");
  EXPECT_EQ(read.strategy, "hash");
  EXPECT_EQ(RouterObject("", read.options), RouterObject("", options));
  EXPECT_EQ(RouterObject("soft", {}), (json{{"strategy", "soft"}})) << "defaults are left out";
}

TEST(RouterConfig, NamesWhatIsWrong) {
  const auto error = [](const json& object) { return ReadFrom({{kRouterKey, object}}).error; };
  EXPECT_THAT(error(json::object()), HasSubstr("\"moiety_router.strategy\" is missing"));
  EXPECT_THAT(error("hash"), HasSubstr("moiety_router"));
  EXPECT_THAT(error({{"strategy", "hash"}, {"groups", 0}}), HasSubstr("moiety_router.groups"));
  EXPECT_THAT(error({{"strategy", "hash"}, {"noise", -1}}), HasSubstr("from 0 to 1000000"));
  EXPECT_THAT(error({{"strategy", "hash"}, {"estimator", "luck"}}), HasSubstr("luck"));
  EXPECT_THAT(error({{"strategy", "hash"}, {"table", {0, -1}}}), HasSubstr("moiety_router.table"));
}

}  // namespace
}  // namespace moiety
