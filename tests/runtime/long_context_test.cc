// Contexts of 32,768 tokens: memory grows with the tokens and with nothing else.
#include <gtest/gtest.h>

#include "runtime/batcher.h"
#include "runtime/generate.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

TEST(LongContext, MemoryIsLinear) {
  nlohmann::json config = TinyMixtralConfig();
  config["max_position_embeddings"] = 32768;
  config["num_hidden_layers"] = 1;
  EngineOptions engine_options;
  engine_options.key_type = engine_options.value_type = CacheType::kF16;
  const auto engine = OpenOrFail(TinyModel(config), engine_options);
  ASSERT_NE(engine, nullptr);
  const MemoryBudget& budget = engine->context().budget;
  const std::vector<int32_t> ids = SomeIds(32740);
  Sequence sequence(engine->pages());
  ASSERT_TRUE(engine->Feed(sequence, std::span(ids).first(1024), LogitRows::kNone, nullptr).ok());
  const uint64_t buffers = budget.used_bytes(MemoryUse::kBuffers);
  EXPECT_EQ(budget.used_bytes(MemoryUse::kKvCache), 16 * engine->pages().page_bytes());

  GenerationOptions options;
  options.ignore_eos = true;
  options.sampling.seed = 1;
  options.sampling.penalty_last_n = -1;
  options.sampling.repetition_penalty = 1.1;
  int64_t num_tokens = 0;
  const auto result = Generate(
      *engine, sequence, ids, options,
      [&](const TokenEvent&) {
        ++num_tokens;
        return true;
      },
      nullptr, 1024);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->finish_reason, FinishReason::kContextFull);
  EXPECT_EQ(num_tokens, 29);
  EXPECT_EQ(sequence.length(), 32768);
  EXPECT_EQ(budget.used_bytes(MemoryUse::kKvCache), 512 * engine->pages().page_bytes());
  EXPECT_LE(budget.used_bytes(MemoryUse::kBuffers), buffers + 100'000) << "logits of one row";

  // All of it is found again, and one token more is computed.
  Sequence again(engine->pages());
  EXPECT_EQ(again.AdoptPrefix(sequence.ids()), 32704);
  EXPECT_EQ(engine->pages().num_held(), 512);
}

}  // namespace
}  // namespace moiety
