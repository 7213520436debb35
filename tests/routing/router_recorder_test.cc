#include "routing/router_recorder.h"

#include <gmock/gmock.h>

#include <utility>
#include <vector>

#include "routing/router.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Logits of 2 tokens and 3 experts that begin with `first`; token 1 was dropped, token 0 has
// `choices`.
struct Routed {
  explicit Routed(float first, std::vector<RoutedToken> choices) : logits{first, 1, 2, 3, 4, 5} {
    output.num_tokens = 2;
    output.num_experts = 3;
    output.logits = {logits.data(), 2, 3};
    output.routed = std::move(choices);
  }
  std::vector<float> logits;
  RouterOutput output;
};

TEST(RouterRecorder, AppendsStepsToTheirLayer) {
  RouterRecorder recorder(2);
  recorder.OnRoute(4, Routed(10, {{0, 2, 0.75F}, {0, 1, 0.25F}}).output);
  recorder.OnRoute(1, Routed(20, {{0, 0, 1.0F}}).output);
  recorder.OnRoute(4, Routed(30, {{0, 1, 0.5F}}).output);
  const std::vector<LayerRouting> layers = recorder.Take();
  ASSERT_THAT(layers, SizeIs(2));
  EXPECT_EQ(layers[0].layer, 4);
  EXPECT_EQ(layers[0].num_tokens, 4);
  EXPECT_EQ(layers[0].num_experts, 3);
  EXPECT_EQ(layers[0].top_k, 2);
  EXPECT_THAT(layers[0].logits, ElementsAre(10, 1, 2, 3, 4, 5, 30, 1, 2, 3, 4, 5));
  EXPECT_THAT(layers[0].experts, ElementsAre(2, 1, -1, -1, 1, -1, -1, -1));
  EXPECT_THAT(layers[0].weights, ElementsAre(0.75F, 0.25F, 0, 0, 0.5F, 0, 0, 0));
  EXPECT_EQ(layers[1].layer, 1);
  EXPECT_THAT(layers[1].experts, ElementsAre(0, -1, -1, -1));
}

TEST(RouterRecorder, KeepsTheFirstTopKChoices) {
  RouterRecorder recorder(1);
  recorder.OnRoute(0, Routed(0, {{0, 2, 0.75F}, {0, 1, 0.25F}}).output);
  const std::vector<LayerRouting> layers = recorder.Take();
  EXPECT_THAT(layers[0].experts, ElementsAre(2, -1));
}

TEST(RouterRecorder, WithoutStepsThereIsNothing) {
  EXPECT_THAT(RouterRecorder(2).Take(), IsEmpty());
}

}  // namespace
}  // namespace moiety
