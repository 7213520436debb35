#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "train/config.h"
#include "train/presets.h"

namespace moiety {
namespace {

using testing::HasSubstr;

// What CheckTrainConfig says of the preset "tiny" with these settings.
std::string CheckWith(const std::vector<std::string>& settings) {
  auto config = Preset("tiny");
  EXPECT_TRUE(config.ok());
  for (const std::string& setting : settings) {
    const Status status = ApplySetting(*config, setting);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  const Status status = CheckTrainConfig(*config);
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument);
  return status.message();
}

TEST(CheckTrainConfig, AcceptsWhatFits) {
  EXPECT_EQ(CheckWith({}), "");
  EXPECT_EQ(CheckWith({"model.head_dim=48", "model.num_heads=3", "model.num_kv_heads=1"}), "");
  EXPECT_EQ(CheckWith({"model.dense=true", "model.moe_every=100"}), "");
  EXPECT_EQ(CheckWith({"model.vocab_size=0", "data.tokenizer=t.json"}), "");
  EXPECT_EQ(CheckWith({"loop.steps=1"}), "") << "all of it is warmup";
}

TEST(CheckTrainConfig, NamesWhatDoesNotFit) {
  EXPECT_THAT(CheckWith({"model.num_heads=3"}), HasSubstr("model.d_model = 128"));
  EXPECT_THAT(CheckWith({"model.head_dim=33"}), HasSubstr("33 wide, expected an even number"));
  EXPECT_THAT(CheckWith({"model.num_kv_heads=3"}), HasSubstr("multiple of model.num_kv_heads = 3"));
  EXPECT_THAT(CheckWith({"model.top_k=9"}), HasSubstr("at most model.num_experts = 8"));
  EXPECT_THAT(CheckWith({"model.first_dense_layers=5"}), HasSubstr("at most model.num_layers = 4"));
  EXPECT_THAT(CheckWith({"model.moe_every=5"}), HasSubstr("none of the 4 layers has experts"));
  const std::string grouped = "router.name=group_limited";
  EXPECT_THAT(CheckWith({grouped, "router.groups=3"}), HasSubstr("multiple of router.groups = 3"));
  EXPECT_THAT(CheckWith({grouped, "router.groups_per_token=2"}),
              HasSubstr("at most router.groups = 1"));
  EXPECT_THAT(CheckWith({grouped, "router.groups=8"}), HasSubstr("at most the 1 experts"));
  EXPECT_THAT(CheckWith({"data.sequence_length=257"}), HasSubstr("at most model.context_length"));
  EXPECT_THAT(CheckWith({"data.text_fields=[]"}), HasSubstr("data.text_fields"));
  EXPECT_THAT(CheckWith({"model.vocab_size=0"}), HasSubstr("model.vocab_size"));
  EXPECT_THAT(CheckWith({"data.weights.en=0"}), HasSubstr("data.weights: all are 0"));
  EXPECT_THAT(CheckWith({"schedule.name=wsd", "schedule.decay_steps=951"}),
              HasSubstr("must fit in loop.steps = 1000"));
  EXPECT_THAT(CheckWith({"loop.micro_batch_sequences=17"}), HasSubstr("loop.batch_sequences = 16"));
  TrainConfig config;
  config.model.vocab_size = 1000;
  config.data.paths = {"\xFF"};
  EXPECT_THAT(CheckTrainConfig(config).message(), HasSubstr("must be UTF-8"));
}

TEST(CheckTrainConfig, RefusesOptionsThatTheRouterDoesNotHave) {
  EXPECT_THAT(CheckWith({"router.noise=2"}),
              HasSubstr("router.noise is no option of the router topk: it has renormalize"));
  EXPECT_EQ(CheckWith({"router.noise=2", "router.name=noisy_topk"}), "");
  EXPECT_THAT(CheckWith({"router.noise=2", "router.name=soft"}), HasSubstr("it has none"));
  EXPECT_THAT(CheckWith({"router.name=tokp"}), HasSubstr("did you mean \"topk\"?"));
  EXPECT_EQ(CheckWith({"router.noise=2", "model.dense=true"}), "") << "there is no router";
}

TEST(CheckTrainConfig, LoadLossNeedsNoise) {
  EXPECT_THAT(CheckWith({"router.load_loss=0.1"}),
              HasSubstr("router.load_loss needs a router with noise, as noisy_topk is: topk has"));
  EXPECT_EQ(CheckWith({"router.load_loss=0.1", "router.name=noisy_topk"}), "");
  EXPECT_EQ(CheckWith({"router.load_loss=0.1", "router.name=noisy_topk", "router.noise=0"}),
            "router.load_loss needs noise: router.noise is 0");
  EXPECT_EQ(CheckWith({"router.load_loss=0.1", "model.dense=true"}), "") << "there is no router";
}

TEST(ModelConfig, PlacesExperts) {
  ModelConfig model;
  const auto layers = [&] {
    std::string text;
    for (int64_t layer = 0; layer < 6; ++layer) text += model.IsMoeLayer(layer) ? 'E' : '-';
    return text;
  };
  EXPECT_EQ(layers(), "EEEEEE");
  model.moe_every = 2;
  EXPECT_EQ(layers(), "-E-E-E");
  model.first_dense_layers = 2;
  EXPECT_EQ(layers(), "---E-E");
  model.dense = true;
  EXPECT_EQ(layers(), "------");
}

}  // namespace
}  // namespace moiety
