#include "study/speed.h"

#include <gmock/gmock.h>

#include <sstream>

#include "study/routing_replay.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr auto kPrefill = SpeedTest::Kind::kPrefill;
constexpr auto kDecode = SpeedTest::Kind::kDecode;

class SpeedMeasuring : public testing::Test {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.num_threads = 2;
    options.memory_limit_bytes = uint64_t{64} << 20;
    engine_ = OpenOrFail(TinyModel(TinyMixtralConfig()), options);
    ASSERT_NE(engine_, nullptr);
    auto limits = MachineLimits::Create(engine_->context(), Product::kF32, 0);
    ASSERT_TRUE(limits.ok()) << limits.status().message();
    limits_ = std::make_unique<MachineLimits>(*std::move(limits));
  }

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<MachineLimits> limits_;
};

// All recorded tokens chose expert 2 alone.
TEST_F(SpeedMeasuring, ReplaysATrace) {
  const ModelInfo& info = engine_->model().info();
  std::istringstream lines(
      R"({"format":"moiety-trace","version":1,"num_layers":2,"num_experts":3,"top_k":2})"
      "\n"
      R"({"step":0,"rows":[[0,0,5],[0,1,6]]})"
      "\n"
      R"({"step":0,"layer":0,"experts":[[2],[2]],"weights":[[1],[1]]})"
      "\n"
      R"({"step":0,"layer":1,"experts":[[2],[2]],"weights":[[1],[1]]})"
      "\n");
  const auto replay = RoutingReplay::Parse(lines, "trace", info);
  ASSERT_TRUE(replay.ok()) << replay.status().message();
  ASSERT_TRUE(engine_->SetRouteEdits({replay->get()}).ok());
  SpeedOptions options;
  options.repetitions = 1;
  options.replay = replay->get();
  const Result<SpeedResult> result =
      MeasureSpeed(*engine_, *limits_, SpeedTest{kDecode, 4, 3, 3}, options, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->experts_per_layer(info), 1);
}

TEST_F(SpeedMeasuring, CountsAndShares) {
  SpeedOptions options;
  options.repetitions = 3;
  const uint64_t weights = engine_->context().budget.used_bytes(MemoryUse::kWeights);
  for (const SpeedTest& test : {SpeedTest{kPrefill, 60, 0, 1}, SpeedTest{kPrefill, 1, 70, 1},
                                SpeedTest{kDecode, 5, 0, 1}, SpeedTest{kDecode, 3, 64, 4}}) {
    SCOPED_TRACE(test.Name());
    int64_t done = 0;
    const Result<SpeedResult> result =
        MeasureSpeed(*engine_, *limits_, test, options, [&](int64_t tokens) { done += tokens; });
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_EQ(done, TokensOf(test, options));
    EXPECT_EQ(result->costs.num_rows, test.num_tokens * test.num_sequences);
    EXPECT_EQ(result->costs.num_steps, test.kind == kPrefill ? 1 : test.num_tokens);
    EXPECT_EQ(result->repetitions.size(), 3U);
    EXPECT_LE(result->worst_tokens_per_s(), result->tokens_per_s());
    EXPECT_LE(result->tokens_per_s(), result->best_tokens_per_s());
    for (const double share : {result->read_share(), result->multiply_share()}) {
      EXPECT_GT(share, 0);
      EXPECT_LE(share, 1);
    }
    EXPECT_GE(result->barrier_share, 0);
    EXPECT_GE(result->serial_share, 0);
    EXPECT_LE(result->barrier_share + result->serial_share, 1);
    const double experts = result->experts_per_layer(engine_->model().info());
    EXPECT_GE(experts, 2);
    EXPECT_LE(experts, 3);
  }
  EXPECT_EQ(engine_->context().budget.used_bytes(MemoryUse::kWeights), weights);
}

TEST_F(SpeedMeasuring, RefusesWhatCannotBe) {
  SpeedOptions none;
  none.repetitions = 0;
  const std::vector<std::tuple<SpeedTest, SpeedOptions, std::string>> cases = {
      {{kPrefill, 129, 0, 1},
       {},
       "prefill of 129 tokens at depth 0: the model's context has only 128"},
      {{kDecode, 1, 128, 1}, {}, "decode of 1 token at depth 128 with 1 sequence: the model's"},
      {{kDecode, INT64_MAX, INT64_MAX, 1}, {}, "context has only 128"},
      {{kDecode, 0, 0, 1}, {}, "at least one token"},
      {{kDecode, 1, -1, 1}, {}, "depth of at least 0"},
      {{kDecode, 1, 0, 0}, {}, "sequences must be from 1 to 4096"},
      {{kDecode, 1, 0, 4097}, {}, "sequences must be from 1 to 4096"},
      {{kPrefill, 1, 0, 2}, {}, "sequences must be from 1 to 1"},
      {{kPrefill, 1, 0, 1}, none, "repetitions must be from 1 to 1000000, found 0"},
  };
  for (const auto& [test, options, message] : cases) {
    const Result<SpeedResult> result = MeasureSpeed(*engine_, *limits_, test, options, nullptr);
    ASSERT_FALSE(result.ok()) << message;
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(result.status().message(), HasSubstr(message));
  }
}

SpeedResult Made(double seconds) {
  SpeedResult result;
  result.test = {kDecode, 10, 5, 2};
  result.repetitions = {
      {2 * seconds, 10e9, 100e9}, {0.5 * seconds, 80e9, 200e9}, {seconds, 20e9, 50e9}};
  result.costs.num_rows = 20;
  result.costs.weight_bytes = 3'000'000'000;
  result.costs.kv_bytes = 1'000'000'000;
  result.costs.flops = 50'000'000'000;
  return result;
}

TEST(SpeedResult, FiguresByHand) {
  const SpeedResult result = Made(4);
  EXPECT_DOUBLE_EQ(result.tokens_per_s(), 5);
  EXPECT_DOUBLE_EQ(result.best_tokens_per_s(), 10);
  EXPECT_DOUBLE_EQ(result.worst_tokens_per_s(), 2.5);
  EXPECT_DOUBLE_EQ(result.read_share(), 1 / 20.0);
  EXPECT_DOUBLE_EQ(result.multiply_share(), 12.5 / 100);
  EXPECT_TRUE(CheckShares(result).ok());
}

// What reads 4 GB in 0.19 s where the machine reads 20 GB/s was not measured rightly.
TEST(SpeedResult, MoreThanTheMachineCanIsAnError) {
  EXPECT_TRUE(CheckShares(Made(0.5)).ok());
  const Status reads = CheckShares(Made(0.19));
  EXPECT_FALSE(reads.ok());
  EXPECT_THAT(reads.message(), AllOf(HasSubstr("decode of 10 tokens at depth 5 with 2 sequences"),
                                     HasSubstr("reads 21.05 GB/s where the limit is 20.00 GB/s"),
                                     HasSubstr("105 %")));
  SpeedResult computes = Made(0.4);
  for (SpeedRepetition& repetition : computes.repetitions) repetition.read_limit = 1e12;
  EXPECT_THAT(CheckShares(computes).message(),
              HasSubstr("computes 125.00 GFLOP/s where the limit is 100.00 GFLOP/s, 125 %"));
}

}  // namespace
}  // namespace moiety
