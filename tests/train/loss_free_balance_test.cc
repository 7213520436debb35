#include "train/loss_free_balance.h"

#include <gmock/gmock.h>

#include <string>

#include "kernels/kernels.h"
#include "train/architecture.h"
#include "train/trained_model.h"

namespace moiety {
namespace {

using testing::ElementsAre;

class LossFreeBalanceTest : public testing::Test {
 protected:
  LossFreeBalanceTest() {
    TrainConfig config;
    config.model.d_model = 16;
    config.model.num_layers = 3;
    config.model.num_heads = 2;
    config.model.num_kv_heads = 1;
    config.model.d_expert = 8;
    config.model.num_experts = 4;
    config.model.first_dense_layers = 1;
    config.router.name = "sigmoid_bias";
    auto json = HfConfigOf(config, 20, {});
    EXPECT_TRUE(json.ok());
    auto made = NewTrainedModel(context_, *json, "config", 1, 0.02F);
    EXPECT_TRUE(made.ok()) << made.status().message();
    trained_ = std::move(*made);
  }
  // Of the MoE layer of this number.
  std::vector<float> Bias(int64_t layer) const {
    const std::string name = "model.layers." + std::to_string(layer) + ".mlp.gate.";
    for (const Parameter& p : trained_.parameters.all()) {
      if (p.name == name + std::string(kCorrectionBias)) {
        return {p.values.begin(), p.values.end()};
      }
    }
    ADD_FAILURE() << "no bias";
    return {};
  }
  static RouterOutput Chosen(const std::vector<int64_t>& demand) {
    RouterOutput out;
    out.num_experts = 4;
    out.demand = demand;
    return out;
  }

  Context context_{1, *AvailableKernels().back(), MemoryBudget::kUnlimited};
  TrainedModel trained_;
};

TEST_F(LossFreeBalanceTest, MovesTowardsTheMeanByTheRate) {
  LossFreeBalance balance(trained_.parameters, 0.5);
  EXPECT_THAT(Bias(1), ElementsAre(0, 0, 0, 0)) << "fresh";
  // Two calls of one layer count together: 6, 2, 4, 4 with mean 4.
  balance.Observe(1, Chosen({5, 0, 3, 0}));
  balance.Observe(2, Chosen({1, 1, 1, 1}));
  balance.Observe(1, Chosen({1, 2, 1, 4}));
  balance.Update();
  EXPECT_THAT(Bias(1), ElementsAre(-0.5F, 0.5F, 0, 0));
  EXPECT_THAT(Bias(2), ElementsAre(0, 0, 0, 0));
  balance.Update();  // nothing was observed
  EXPECT_THAT(Bias(1), ElementsAre(-0.5F, 0.5F, 0, 0));
}

TEST_F(LossFreeBalanceTest, AStepThatWasNotTakenCountsNothing) {
  LossFreeBalance balance(trained_.parameters, 1);
  balance.Observe(1, Chosen({9, 0, 0, 0}));
  balance.Observe(2, Chosen({9, 0, 0, 0}));
  balance.Skip();
  balance.Update();
  EXPECT_THAT(Bias(1), ElementsAre(0, 0, 0, 0));
}

TEST_F(LossFreeBalanceTest, OtherRoutersHaveNoBias) {
  Parameters none;
  LossFreeBalance balance(none, 1);
  balance.Observe(0, Chosen({9, 0, 0, 0}));
  balance.Update();
}

}  // namespace
}  // namespace moiety
