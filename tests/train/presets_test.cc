#include "train/presets.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "routing/router.h"
#include "train/architecture.h"

namespace moiety {
namespace {

TEST(Presets, FitTogether) {
  std::vector<std::string> names;
  for (const PresetInfo& info : Presets()) {
    names.emplace_back(info.name);
    EXPECT_FALSE(info.about.empty());
    const auto config = Preset(info.name);
    ASSERT_TRUE(config.ok());
    const Status status = CheckTrainConfig(*config);
    EXPECT_TRUE(status.ok()) << info.name << ": " << status.message();
    EXPECT_FALSE(config->model.dense);
    EXPECT_TRUE(HfConfigOf(*config, 4096, {}).ok()) << info.name;
  }
  EXPECT_THAT(names, testing::ElementsAre("tiny", "small", "switch", "gshard", "deepseek", "glam"));
}

// Values have blocks of 256 in the formats that a trained model is quantized to.
TEST(Presets, HaveRowsThatQuantize) {
  for (const PresetInfo& info : Presets()) {
    const auto config = Preset(info.name);
    ASSERT_TRUE(config.ok());
    EXPECT_EQ(config->model.d_expert % 256, 0);
    EXPECT_EQ(config->model.d_feed_forward % 256, 0);
    EXPECT_TRUE(info.name == "tiny" || config->model.d_model % 256 == 0);
  }
}

TEST(SetRouter, TakesWhatTheStrategyNeeds) {
  for (const RouterInfo& router : Routers()) {
    auto config = Preset("tiny");
    ASSERT_TRUE(config.ok());
    const Status set = SetRouter(router.name, *config);
    EXPECT_TRUE(set.ok()) << set.message();
    EXPECT_EQ(config->router.name, router.name);
    config->router.allow_noncausal = !router.causal;
    const Status status = CheckTrainConfig(*config);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(HfConfigOf(*config, 4096, {}).ok()) << router.name;
  }
  TrainConfig config;
  EXPECT_EQ(SetRouter("swich", config).message(),
            "unknown router \"swich\"; did you mean \"switch\"?");
  EXPECT_EQ(config.router.name, "topk");
}

TEST(Presets, RefusesUnknownNames) {
  const auto config = Preset("smal");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().message(), "unknown preset \"smal\"; did you mean \"small\"?");
}

}  // namespace
}  // namespace moiety
