#include "train/training_data.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/scratch_folder.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;

bool GoOn(const std::string&, double) { return true; }

class TrainingDataTest : public testing::Test {
 protected:
  TrainingDataTest() {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "the number " + std::to_string(i) + "\n";
    scratch_.Write("a.train.txt", text);
    scratch_.Write("a.valid.txt", "the number 7\n");
    scratch_.Write("b.train.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n");
    scratch_.Write("b.valid.jsonl", "{\"text\": \"three\"}\n");
    config_.paths = {scratch_.path().string()};
  }
  std::unique_ptr<const Tokenizer> MakeTokenizer(const PreparingProgress& progress = GoOn) {
    fs::path where;
    auto tokenizer = PrepareTokenizer(config_, 300, scratch_.path() / "tokenizer", progress, where);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    EXPECT_EQ(where, scratch_.path() / "tokenizer");
    return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
  }
  static std::string TextOf(const Tokenizer& tokenizer, const TokenShard& shard) {
    std::vector<int32_t> ids(static_cast<size_t>(shard.num_tokens()));
    shard.Read(0, ids);
    return tokenizer.Decode(ids, false);
  }

  ScratchFolder scratch_;
  DataConfig config_;
};

TEST_F(TrainingDataTest, DocumentsEndWithAToken) {
  const auto tokenizer = MakeTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  const auto domains = PrepareTrainingData(config_, *tokenizer, scratch_.path() / "data", GoOn);
  ASSERT_TRUE(domains.ok()) << domains.status().message();
  ASSERT_EQ(domains->size(), 2U);
  EXPECT_EQ((*domains)[0].name, "a");
  EXPECT_EQ(TextOf(*tokenizer, (*domains)[0].train), scratch_.Read("a.train.txt") + "</s>");
  EXPECT_EQ(TextOf(*tokenizer, (*domains)[0].valid), "the number 7\n</s>");
  EXPECT_EQ(TextOf(*tokenizer, (*domains)[1].train), "one</s> two</s>");
  EXPECT_EQ(TextOf(*tokenizer, (*domains)[1].valid), "three</s>");
}

TEST_F(TrainingDataTest, WhatIsThereIsTakenUnlessTheTextsChange) {
  const auto tokenizer = MakeTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  int calls = 0;
  const auto prepare = [&] {
    calls = 0;
    const auto domains = PrepareTrainingData(config_, *tokenizer, scratch_.path() / "data",
                                             [&](const std::string&, double) { return ++calls; });
    EXPECT_TRUE(domains.ok()) << domains.status().message();
  };
  prepare();
  EXPECT_GT(calls, 0);
  prepare();
  EXPECT_EQ(calls, 0);
  scratch_.Write("a.valid.txt", "the number 8 and more\n");
  prepare();
  EXPECT_GT(calls, 0);
}

TEST_F(TrainingDataTest, ATokenizerIsMadeOnce) {
  MakeTokenizer();
  int calls = 0;
  MakeTokenizer([&](const std::string&, double) { return ++calls; });
  EXPECT_EQ(calls, 0);
  config_.tokenizer = (scratch_.path() / "tokenizer" / "tokenizer.json").string();
  fs::path where;
  EXPECT_TRUE(PrepareTokenizer(config_, 0, scratch_.path() / "other", GoOn, where).ok());
  EXPECT_EQ(where, scratch_.path() / "tokenizer");
  config_.tokenizer = "nowhere";
  EXPECT_EQ(PrepareTokenizer(config_, 0, scratch_.path() / "other", GoOn, where).status().code(),
            StatusCode::kNotFound);
}

TEST_F(TrainingDataTest, CanBeInterrupted) {
  const PreparingProgress stop = [](const std::string&, double) { return false; };
  fs::path where;
  EXPECT_EQ(PrepareTokenizer(config_, 300, scratch_.path() / "t", stop, where).status().code(),
            StatusCode::kCancelled);
  const auto tokenizer = MakeTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(
      PrepareTrainingData(config_, *tokenizer, scratch_.path() / "data", stop).status().code(),
      StatusCode::kCancelled);
}

}  // namespace
}  // namespace moiety
