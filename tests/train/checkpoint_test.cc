#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "support/random_values.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;

// A checkpoint with its values.
struct Values {
  explicit Values(uint64_t seed)
      : gain(RandomValues(5, seed)), matrix(RandomValues(6, seed + 1)), moment(matrix) {}
  CheckpointContent Content() {
    CheckpointContent content;
    content.state = {{"mean_loss", 1.5}};
    content.weights = {{"gain", {5}, gain}, {"matrix", {2, 3}, matrix}};
    content.optimizer = {{"exp_avg.matrix", {6}, moment}};
    return content;
  }
  std::vector<float> gain, matrix, moment;
};

std::set<std::string> Names(const fs::path& run) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

TEST(Checkpoint, ReadsWhatWasWritten) {
  const ScratchFolder run;
  ASSERT_FALSE((*LastCheckpoint(run.path())).has_value());
  Values values(1);
  CheckpointContent content = values.Content();
  ASSERT_TRUE(WriteCheckpoint(run.path(), 7, content, 1).ok());
  EXPECT_EQ(**LastCheckpoint(run.path()), 7);
  Values read(9);
  CheckpointContent found = read.Content();
  const Status status = ReadCheckpoint(run.path(), 7, found);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(read.gain, values.gain);
  EXPECT_EQ(read.matrix, values.matrix);
  EXPECT_EQ(read.moment, values.moment);
  EXPECT_EQ(found.state["mean_loss"], 1.5);
  EXPECT_EQ(ReadCheckpoint(run.path(), 8, found).code(), StatusCode::kNotFound);
}

TEST(Checkpoint, KeepsTheLastOnes) {
  const ScratchFolder run;
  Values values(1);
  for (const int64_t step : {2, 9, 10, 11}) {
    ASSERT_TRUE(WriteCheckpoint(run.path(), step, values.Content(), 2).ok());
  }
  EXPECT_EQ(Names(run.path()), (std::set<std::string>{"step-10", "step-11"}));
  EXPECT_EQ(**LastCheckpoint(run.path()), 11) << "by number, not by name";
}

TEST(Checkpoint, WhatAKilledProcessLeftIsRemoved) {
  const ScratchFolder run;
  Values values(1);
  ASSERT_TRUE(WriteCheckpoint(run.path(), 3, values.Content(), 2).ok());
  const fs::path left = run.path() / "checkpoints" / ".unfinished-step-4";
  fs::create_directory(left);
  std::ofstream(left / "model.safetensors") << "half";
  EXPECT_EQ(**LastCheckpoint(run.path()), 3);
  EXPECT_EQ(Names(run.path()), std::set<std::string>{"step-3"});
}

TEST(Checkpoint, AFullDiskLeavesTheOlderOne) {
  const ScratchFolder run;
  Values values(1);
  ASSERT_TRUE(WriteCheckpoint(run.path(), 3, values.Content(), 1).ok());
  std::vector<float> large(1 << 16);
  CheckpointContent content = values.Content();
  content.weights.push_back({"large", {1 << 16}, large});
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 1 << 16;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = WriteCheckpoint(run.path(), 4, content, 1);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(status.code(), StatusCode::kIoError) << status.message();
  EXPECT_EQ(Names(run.path()), std::set<std::string>{"step-3"});
  EXPECT_TRUE(WriteCheckpoint(run.path(), 4, content, 1).ok()) << "once there is space again";
}

TEST(Checkpoint, RefusesWhatDoesNotFit) {
  const ScratchFolder run;
  Values values(1);
  ASSERT_TRUE(WriteCheckpoint(run.path(), 3, values.Content(), 1).ok());
  CheckpointContent other = values.Content();
  other.weights[1].shape = {3, 2};
  Status status = ReadCheckpoint(run.path(), 3, other);
  EXPECT_EQ(status.code(), StatusCode::kInvalidData);
  EXPECT_NE(status.message().find("tensor matrix: expected F32 [3, 2], found F32 [2, 3]"),
            std::string::npos)
      << status.message();
  other = values.Content();
  other.weights.pop_back();
  EXPECT_EQ(ReadCheckpoint(run.path(), 3, other).code(), StatusCode::kInvalidData);
  other = values.Content();
  other.optimizer[0].name = "exp_avg.other";
  EXPECT_EQ(ReadCheckpoint(run.path(), 3, other).code(), StatusCode::kInvalidData);
  std::ofstream(run.path() / "checkpoints" / "step-3" / "state.json") << "{\"step\": 4}";
  EXPECT_EQ(ReadCheckpoint(run.path(), 3, other).code(), StatusCode::kInvalidData);
}

}  // namespace
}  // namespace moiety
