// Edits of choices through a whole engine: the same bits as a model that was made so, from memory
// and from disk.
#include <gmock/gmock.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "routing/choice_limits.h"
#include "routing/router_recorder.h"
#include "runtime/engine.h"
#include "support/bits.h"
#include "support/loaded_model.h"
#include "support/paths.h"

namespace moiety {
namespace {

using testing::HasSubstr;

// Of a model whose weights are all those of a token, or none of their sum.
TEST(RouteEdits, FewerExpertsAreAModelWithSmallerTopK) {
  nlohmann::json scaled = TinyConfig("qwen3_moe");
  scaled["norm_topk_prob"] = true;
  scaled["moiety_router"] = {{"strategy", "group_limited"}, {"scale", 2.5}};
  nlohmann::json as_scored = TinyConfig("qwen3_moe");
  as_scored["norm_topk_prob"] = false;
  for (nlohmann::json config : {TinyMixtralConfig(), as_scored, scaled}) {
    const auto two = OpenOrFail(TinyModel(config));
    config["num_experts_per_tok"] = 1;
    const auto one = OpenOrFail(TinyModel(config));
    ASSERT_TRUE(one != nullptr && two != nullptr);
    const std::vector<int32_t> ids = SomeIds(70);
    const std::vector<float> expected = AllLogits(*one, ids);
    EXPECT_FALSE(SameBits(AllLogits(*two, ids), expected));
    ChoiceLimiter limiter({.experts_per_token = 1});
    ASSERT_TRUE(two->SetRouteEdits({&limiter}).ok());
    EXPECT_TRUE(SameBits(AllLogits(*two, ids), expected)) << config.dump();
    EXPECT_EQ(limiter.counts().num_choices, 2 * 2 * 70);
    EXPECT_EQ(limiter.counts().num_left_out(), 2 * 70);
  }
}

TEST(RouteEdits, TheSameBitsFromMemoryAndDisk) {
  const std::vector<int32_t> ids = SomeIds(48);
  const auto run = [&](const EngineOptions& options, int64_t chunk, ChoiceCounts* counts) {
    const auto engine = OpenOrFail(Starter(), options);
    if (engine == nullptr) return std::vector<float>();
    ChoiceLimiter limiter({.experts_per_token = 2, .threshold = 0.4});
    EXPECT_TRUE(engine->SetRouteEdits({&limiter}).ok());
    Sequence sequence(engine->pages());
    std::vector<float> logits = FeedLogits(*engine, sequence, ids, chunk);
    *counts = limiter.counts();
    return logits;
  };
  ChoiceCounts resident;
  const std::vector<float> expected = run({}, 48, &resident);
  EXPECT_EQ(resident.num_choices, 48 * 4 * 2);
  EXPECT_GT(resident.num_below_threshold, 0);
  EXPECT_LT(resident.num_below_threshold, 48 * 4);
  for (const int64_t chunk : {1, 48}) {
    EngineOptions options;
    options.memory_limit_bytes = 9'000'000;
    ChoiceCounts streamed;
    EXPECT_TRUE(SameBits(run(options, chunk, &streamed), expected)) << chunk;
    EXPECT_EQ(streamed.num_below_threshold, resident.num_below_threshold);
  }
}

TEST(RouteEdits, ObserversSeeWhatRan) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  ChoiceLimiter limiter({.experts_per_token = 1});
  ASSERT_TRUE(engine->SetRouteEdits({&limiter}).ok());
  RouterRecorder recorder(2);
  Sequence sequence(engine->pages());
  FeedLogits(*engine, sequence, SomeIds(5), 5, &recorder);
  for (const LayerRouting& layer : recorder.Take()) {
    for (size_t t = 0; t < 5; ++t) {
      EXPECT_GE(layer.experts[2 * t], 0);
      EXPECT_EQ(layer.experts[2 * t + 1], -1);
      EXPECT_EQ(layer.weights[2 * t], 1);
    }
  }
}

// Keys and values that were computed with other edits are not used again.
TEST(RouteEdits, ChangeOnlyBetweenSequences) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = SomeIds(70);
  ChoiceLimiter limiter({.experts_per_token = 1});
  {
    Sequence sequence(engine->pages());
    FeedLogits(*engine, sequence, ids);
    sequence.Publish();
    const Status status = engine->SetRouteEdits({&limiter});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("while sequences hold"));
  }
  {
    Sequence again(engine->pages());
    EXPECT_EQ(again.AdoptPrefix(ids), 64);
  }
  EXPECT_TRUE(engine->SetRouteEdits({&limiter}).ok());
  Sequence other(engine->pages());
  EXPECT_EQ(other.AdoptPrefix(ids), 0);
}

}  // namespace
}  // namespace moiety
