#include "study/step_costs.h"

#include <gtest/gtest.h>

#include "support/loaded_model.h"

namespace moiety {
namespace {

// What the tiny models have, by hand: d 16, 2 heads of 8 over 1, 2 layers, vocabulary 262, f32.
constexpr uint64_t kAttentionMatrices = 16 * 16 + 2 * 16 * 8 + 16 * 16;
constexpr uint64_t kNorms = 2 * 2 * 16 + 16;
constexpr uint64_t kHead = uint64_t{kTinyVocab} * 16;
constexpr uint64_t kExpert = 3 * 8 * 16;
constexpr uint64_t kRouter = 3 * 16;
constexpr uint64_t kKeyAndValueBytes = 2 * 8 * 4;  // of one token in one layer

StepCosts CostsOf(Engine& engine, Sequence& sequence, const std::vector<int32_t>& ids,
                  LogitRows rows, int64_t chunk) {
  StepCostCounter counter(engine.model().info(), engine.store(), engine.pages().layout());
  const Status status = engine.Feed(
      sequence, ids, rows, [](int64_t, const Matrix&) { return OkStatus(); }, &counter, chunk);
  EXPECT_TRUE(status.ok()) << status.message();
  return counter.costs();
}

TEST(StepCosts, OfOneTokenOfAMixture) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  Sequence sequence(engine->pages());
  FeedLogits(*engine, sequence, SomeIds(9));
  const StepCosts costs = CostsOf(*engine, sequence, {5}, LogitRows::kAll, 1);
  EXPECT_EQ(costs.num_steps, 1);
  EXPECT_EQ(costs.num_rows, 1);
  EXPECT_EQ(costs.experts_used, 2U * 2);
  const uint64_t matrices = 2 * (kAttentionMatrices + kRouter + 2 * kExpert) + kHead;
  EXPECT_EQ(costs.weight_bytes, 4 * (matrices + kNorms + 16));  // and a row of the embedding
  EXPECT_EQ(costs.kv_bytes, 2 * 10 * kKeyAndValueBytes);
  EXPECT_EQ(costs.flops, 2 * matrices + 2 * 10 * 4 * 16);
  EXPECT_EQ(costs.bytes(), costs.weight_bytes + costs.kv_bytes);
}

// Every expert is read once in a step, however many rows chose it.
TEST(StepCosts, ExpertsOfAStepAreAUnion) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  Sequence sequence(engine->pages());
  const StepCosts costs = CostsOf(*engine, sequence, SomeIds(50), LogitRows::kLast, 512);
  ASSERT_EQ(costs.experts_used, 2U * 3) << "50 rows leave no expert out";
  const uint64_t dense = 2 * (kAttentionMatrices + kRouter);
  EXPECT_EQ(costs.weight_bytes, 4 * (dense + 2 * 3 * kExpert + kHead + kNorms + 50 * 16));
  EXPECT_EQ(costs.flops,
            50 * 2 * (dense + 2 * 2 * kExpert) + 2 * kHead + 2 * 4 * 16 * (50 * 51 / 2));
  EXPECT_EQ(costs.kv_bytes, 2 * 50 * kKeyAndValueBytes);
}

// Chunks read the weights again, but compute the same.
TEST(StepCosts, OfChunks) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  Sequence whole(engine->pages());
  Sequence cut(engine->pages());
  const StepCosts one = CostsOf(*engine, whole, SomeIds(60), LogitRows::kNone, 60);
  const StepCosts four = CostsOf(*engine, cut, SomeIds(60), LogitRows::kNone, 15);
  EXPECT_EQ(four.num_steps, 4);
  EXPECT_EQ(four.num_rows, 60);
  EXPECT_EQ(four.flops, one.flops);
  EXPECT_EQ(four.kv_bytes, 2 * (15 + 30 + 45 + 60) * kKeyAndValueBytes);
  EXPECT_GT(four.weight_bytes, one.weight_bytes);
  EXPECT_LE(four.weight_bytes, 4 * one.weight_bytes);
}

TEST(StepCosts, WindowsAndTiedHeads) {
  nlohmann::json config = TinyLlamaConfig();
  config["model_type"] = "mistral";
  config["sliding_window"] = 8;
  config["tie_word_embeddings"] = true;
  const auto engine = OpenOrFail(TinyModel(config));
  ASSERT_NE(engine, nullptr);
  Sequence sequence(engine->pages());
  const StepCosts costs = CostsOf(*engine, sequence, SomeIds(20), LogitRows::kNone, 20);
  EXPECT_EQ(costs.experts_used, 0U);
  EXPECT_EQ(costs.kv_bytes, 2 * 20 * kKeyAndValueBytes) << "each row has a window of its own";
  const StepCosts next = CostsOf(*engine, sequence, {1}, LogitRows::kLast, 1);
  EXPECT_EQ(next.kv_bytes, 2 * 8 * kKeyAndValueBytes);
  const uint64_t d_feed_forward = config["intermediate_size"];
  const uint64_t matrices = 2 * (kAttentionMatrices + 3 * 16 * d_feed_forward) + kHead;
  EXPECT_EQ(next.weight_bytes, 4 * (matrices + kNorms + 16));
  EXPECT_EQ(next.flops, 2 * matrices + 2 * 8 * 4 * 16);
}

}  // namespace
}  // namespace moiety
