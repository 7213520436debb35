// The options that apply when nobody sets any, and the words for how a text ended.
#include <gtest/gtest.h>

#include "runtime/generate.h"

namespace moiety {
namespace {

TEST(DefaultSampling, AuthorsChangeTheDefaults) {
  const SamplingOptions none = DefaultSampling({});
  EXPECT_EQ(none.temperature, 0.8);
  EXPECT_EQ(none.top_k, 40);
  EXPECT_EQ(none.top_p, 0.95);
  EXPECT_EQ(none.min_p, 0.05);
  EXPECT_EQ(none.repetition_penalty, 1);
  GenerationConfig config;
  config.temperature = 0.6;
  config.top_k = 7;
  config.top_p = 0.5;
  config.min_p = 0.1;
  config.repetition_penalty = 1.3;
  const SamplingOptions all = DefaultSampling(config);
  EXPECT_EQ(all.temperature, 0.6);
  EXPECT_EQ(all.top_k, 7);
  EXPECT_EQ(all.top_p, 0.5);
  EXPECT_EQ(all.min_p, 0.1);
  EXPECT_EQ(all.repetition_penalty, 1.3);
  config.do_sample = true;
  EXPECT_EQ(DefaultSampling(config).temperature, 0.6);
  config.do_sample = false;
  EXPECT_EQ(DefaultSampling(config).temperature, 0);
}

TEST(FinishReason, Names) {
  EXPECT_STREQ(FinishReasonName(FinishReason::kEndOfText), "stop");
  EXPECT_STREQ(FinishReasonName(FinishReason::kStopString), "stop");
  EXPECT_STREQ(FinishReasonName(FinishReason::kMaxTokens), "length");
  EXPECT_STREQ(FinishReasonName(FinishReason::kContextFull), "length");
  EXPECT_STREQ(FinishReasonName(FinishReason::kCancelled), "cancelled");
}

}  // namespace
}  // namespace moiety
