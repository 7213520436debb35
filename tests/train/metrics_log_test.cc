#include "train/metrics_log.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "support/scratch_folder.h"

namespace moiety {
namespace {

std::string Text(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

nlohmann::ordered_json Step(int64_t step) {
  return {{"event", "step"}, {"step", step}, {"loss", 2.5}, {"lr", 0.001}};
}

TEST(MetricsLog, WritesLinesAndATable) {
  const ScratchFolder run;
  auto log = MetricsLog::Open(run.path(), 0);
  ASSERT_TRUE(log.ok()) << log.status().message();
  nlohmann::ordered_json skipped = Step(2);
  skipped["skipped"] = "a \"reason\"";
  ASSERT_TRUE(log->Add(Step(1)).ok());
  ASSERT_TRUE(log->Add({{"event", "validation"}, {"step", 1}, {"loss", 2.0}}).ok());
  ASSERT_TRUE(log->Add(skipped).ok());
  EXPECT_EQ(Text(run.path() / "log.jsonl"),
            "{\"event\":\"step\",\"step\":1,\"loss\":2.5,\"lr\":0.001}\n"
            "{\"event\":\"validation\",\"step\":1,\"loss\":2.0}\n"
            "{\"event\":\"step\",\"step\":2,\"loss\":2.5,\"lr\":0.001,\"skipped\":\"a "
            "\\\"reason\\\"\"}\n");
  EXPECT_EQ(Text(run.path() / "metrics.csv"),
            "step,loss,lr,gradient_norm,tokens,tokens_per_s,balance_loss,z_loss,importance_loss,"
            "load_loss,entropy_loss,mutual_information_loss,similarity_loss,skipped\n"
            "1,2.5,0.001,,,,,,,,,,,\n"
            "2,2.5,0.001,,,,,,,,,,,\"a \"\"reason\"\"\"\n");
}

TEST(MetricsLog, ResumingLeavesEachStepOnce) {
  const ScratchFolder run;
  {
    auto log = MetricsLog::Open(run.path(), 0);
    ASSERT_TRUE(log.ok());
    for (int64_t step = 1; step <= 5; ++step) ASSERT_TRUE(log->Add(Step(step)).ok());
  }
  std::ofstream(run.path() / "log.jsonl", std::ios::app) << "{\"event\":\"st";
  auto log = MetricsLog::Open(run.path(), 3);
  ASSERT_TRUE(log.ok()) << log.status().message();
  ASSERT_TRUE(log->Add(Step(4)).ok());
  std::string lines;
  for (int64_t step = 1; step <= 4; ++step) lines += Step(step).dump() + "\n";
  EXPECT_EQ(Text(run.path() / "log.jsonl"), lines);
  EXPECT_TRUE(Text(run.path() / "metrics.csv")
                  .ends_with("3,2.5,0.001,,,,,,,,,,,\n4,2.5,0.001,,,,,,,,,,,\n"));
}

TEST(MetricsLog, NamesABrokenLine) {
  const ScratchFolder run;
  std::ofstream(run.path() / "log.jsonl") << Step(1).dump() << "\nnonsense\n";
  const auto log = MetricsLog::Open(run.path(), 3);
  EXPECT_EQ(log.status().code(), StatusCode::kInvalidData);
  EXPECT_NE(log.status().message().find("log.jsonl:2"), std::string::npos);
}

}  // namespace
}  // namespace moiety
