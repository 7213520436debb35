#include <gmock/gmock.h>

#include "support/loaded_model.h"

namespace moiety {
namespace {

TEST(Mistral, SlidingWindowEndsWhatATokenSees) {
  for (const int64_t window : {1, 2, 5, 64, 65, 100}) {
    nlohmann::json config = TinyLlamaConfig();
    config["model_type"] = "mistral";
    config["num_hidden_layers"] = 1;
    config["sliding_window"] = window;
    const auto engine = OpenOrFail(TinyModel(config));
    ASSERT_NE(engine, nullptr);
    EXPECT_EQ(engine->model().info().sliding_window, window);
    // A token sees itself and the window - 1 before it.
    EXPECT_EQ(LastPositionThatSeesTheFirst(*engine, SomeIds(110)), window - 1);
  }
}

TEST(Mistral, EachLayerSeesFurther) {
  nlohmann::json config = TinyLlamaConfig();
  config["model_type"] = "mistral";
  config["sliding_window"] = 5;
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(LastPositionThatSeesTheFirst(*engine, SomeIds(20)), 2 * (5 - 1));
}

TEST(Mistral, WithoutAWindowAllIsSeen) {
  nlohmann::json config = TinyLlamaConfig();
  config["model_type"] = "mistral";
  config["sliding_window"] = nullptr;
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(LastPositionThatSeesTheFirst(*engine, SomeIds(80)), 79);
}

}  // namespace
}  // namespace moiety
