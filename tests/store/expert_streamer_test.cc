#include "store/expert_streamer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "support/faulty_reader.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr CacheShape kStreamShape = {2, 6};
constexpr int64_t kMatrixRows = 24;
constexpr uint64_t kMatrixBytes = kMatrixRows * 100 * 4;

// Experts of three f32 matrices each in a file: in odd layers the matrices of an expert are
// neighbours, in even ones those of all experts, as in GGUF files. Nothing but the first matrix is
// on a whole number.
class ExpertStreamerTest : public testing::Test {
 protected:
  ExpertStreamerTest() {
    std::string bytes(kStreamShape.num_keys() * 3 * kMatrixBytes + 1000, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<char>(Philox(1, {static_cast<uint32_t>(i), 0, 0, 0})[0]);
    }
    path_ = scratch_.Write("experts", bytes);
    bytes_ = std::move(bytes);
    files_ = {*MappedFile::Open(path_)};
    for (int64_t layer = 0; layer < kStreamShape.num_layers; ++layer) {
      for (int64_t e = 0; e < kStreamShape.num_experts; ++e) {
        StreamedExpert& expert = experts_.emplace_back();
        expert.key = static_cast<int32_t>(layer * kStreamShape.num_experts + e);
        for (int64_t m = 0; m < 3; ++m) {
          const int64_t place = layer % 2 == 1 ? e * 3 + m : m * kStreamShape.num_experts + e;
          Weight& weight = weights_.emplace_back();
          weight.dtype = m == 2 ? DType::kBF16 : DType::kF32;
          weight.shape = {kMatrixRows, m == 2 ? 200 : 100};
          const auto offset = static_cast<uint64_t>((layer * kStreamShape.num_experts * 3 + place) *
                                                        static_cast<int64_t>(kMatrixBytes) +
                                                    (expert.key == 7 ? 3 : 4));
          expert.matrices.push_back({&weight, 0, offset, kMatrixBytes});
        }
      }
    }
  }

  // Room for this many slots.
  Status Start(int64_t slots, FaultyReader::Fault fault = nullptr,
               const std::string& policy = "lru") {
    streamer_.reset();  // before its budget
    slot_bytes_ = ExpertStreamer::SlotBytes(experts_);
    budget_ = std::make_unique<MemoryBudget>(static_cast<uint64_t>(slots) * slot_bytes_);
    auto reader = *OpenRangeReader(files_);
    if (fault != nullptr) {
      reader = std::make_unique<FaultyReader>(std::move(reader), std::move(fault));
    }
    streamer_ = std::make_unique<ExpertStreamer>();
    return streamer_->Start(kStreamShape, experts_, std::move(reader),
                            *MakeCachePolicy(policy, kStreamShape), *budget_);
  }

  // A whole visit; looks at the bytes of what arrives.
  Status Visit(int64_t layer, const std::vector<int32_t>& experts) {
    streamer_->Request(layer, experts);
    std::multiset<int32_t> seen;
    while (true) {
      const auto arrived = streamer_->Next();
      if (!arrived.ok()) return arrived.status();
      if (arrived->empty()) break;
      for (const int32_t e : *arrived) {
        seen.insert(e);
        const auto key = static_cast<size_t>(layer * kStreamShape.num_experts + e);
        for (const StreamedMatrix& m : experts_[key].matrices) {
          EXPECT_EQ(reinterpret_cast<uintptr_t>(m.weight->data) % DTypeBlockBytes(m.weight->dtype),
                    0U);
          EXPECT_EQ(std::memcmp(m.weight->data, bytes_.data() + m.offset, m.bytes), 0) << key;
        }
      }
    }
    streamer_->Finish();
    EXPECT_EQ(seen, std::multiset<int32_t>(experts.begin(), experts.end()));
    return OkStatus();
  }

  std::vector<int32_t> SomeExperts(uint64_t seed, int64_t most) {
    std::set<int32_t> experts;
    for (int64_t i = 0; i < most; ++i) {
      experts.insert(static_cast<int32_t>(UniformDouble(seed, 0, static_cast<uint64_t>(i)) * 6));
    }
    return {experts.begin(), experts.end()};
  }

  ScratchFolder scratch_;
  std::filesystem::path path_;
  std::string bytes_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::deque<Weight> weights_;
  std::vector<StreamedExpert> experts_;
  uint64_t slot_bytes_ = 0;
  std::unique_ptr<MemoryBudget> budget_;
  std::unique_ptr<ExpertStreamer> streamer_;
};

TEST_F(ExpertStreamerTest, BringsTheBytesOfEveryExpert) {
  for (const int64_t slots : {2, 3, 5, 12, 100}) {
    ASSERT_TRUE(Start(slots).ok());
    EXPECT_TRUE(streamer_->streams());
    for (uint64_t i = 0; i < 60; ++i) {
      const auto layer = static_cast<int64_t>(i % 2);
      ASSERT_TRUE(Visit(layer, SomeExperts(i, static_cast<int64_t>(i % 9))).ok());
      EXPECT_LE(budget_->used_bytes(), budget_->limit_bytes());
    }
    const StreamStats stats = streamer_->stats();
    EXPECT_EQ(stats.num_slots, std::min<int64_t>(slots, 12));
    EXPECT_EQ(stats.num_experts, 12);
    EXPECT_EQ(stats.counts.evictions, stats.counts.misses - stats.num_slots);
    EXPECT_GE(stats.bytes_read, static_cast<uint64_t>(stats.counts.misses) * 3 * kMatrixBytes);
  }
}

TEST_F(ExpertStreamerTest, DoesWhatTheSimulationDoes) {
  for (const char* policy : {"lru", "slru", "lfu"}) {
    ASSERT_TRUE(Start(4, nullptr, policy).ok());
    std::vector<int64_t> layers;
    std::vector<std::vector<int32_t>> visits;
    for (uint64_t i = 0; i < 200; ++i) {
      layers.push_back(static_cast<int64_t>(i % 2));
      const auto experts = SomeExperts(i, 3);
      ASSERT_TRUE(Visit(layers.back(), experts).ok());
      visits.emplace_back();
      for (const int32_t e : experts) {
        visits.back().push_back(static_cast<int32_t>(layers.back() * 6) + e);
      }
    }
    const CacheCounts expected =
        SimulateCache(kStreamShape, layers, visits, 4, *MakeCachePolicy(policy, kStreamShape));
    EXPECT_EQ(streamer_->stats().counts.hits, expected.hits) << policy;
    EXPECT_EQ(streamer_->stats().counts.misses, expected.misses) << policy;
    EXPECT_EQ(streamer_->stats().counts.evictions, expected.evictions) << policy;
  }
}

TEST_F(ExpertStreamerTest, NeighboursAreOneRead) {
  int64_t reads = 0;
  ASSERT_TRUE(Start(12, [&](const RangeRead&) {
                ++reads;
                return OkStatus();
              }).ok());
  ASSERT_TRUE(Visit(0, {2}).ok());
  EXPECT_EQ(reads, 3) << "matrices of other experts are between them";
  ASSERT_TRUE(Visit(1, {2}).ok());
  EXPECT_EQ(reads, 4);
  ASSERT_TRUE(Visit(1, {1}).ok());
  EXPECT_EQ(reads, 7) << "no whole numbers: each is moved on its own";
}

TEST_F(ExpertStreamerTest, GivesMemoryBackAndTakesItAgain) {
  ASSERT_TRUE(Start(6).ok());
  ASSERT_TRUE(Visit(0, {0, 1, 2, 3, 4, 5}).ok());
  EXPECT_EQ(streamer_->stats().num_slots, 6);
  EXPECT_EQ(budget_->obtainable_bytes(MemoryUse::kKvCache), 4 * slot_bytes_);
  {
    const auto pages = budget_->Reserve(MemoryUse::kKvCache, 3 * slot_bytes_ - 5);
    ASSERT_TRUE(pages.ok()) << pages.status().message();
    EXPECT_EQ(streamer_->stats().num_slots, 3);
    ASSERT_TRUE(Visit(1, {0, 1, 2, 3, 4, 5}).ok());
    EXPECT_EQ(streamer_->stats().num_slots, 3);
    EXPECT_FALSE(budget_->Reserve(MemoryUse::kBuffers, 2 * slot_bytes_).ok());
    EXPECT_EQ(streamer_->stats().num_slots, 2) << "it gave what it could";
    ASSERT_TRUE(Visit(0, {0, 1, 2, 3, 4, 5}).ok());
  }
  ASSERT_TRUE(Visit(1, {0, 1, 2, 3, 4, 5}).ok());
  EXPECT_EQ(streamer_->stats().num_slots, 6);
  streamer_.reset();
  EXPECT_EQ(budget_->used_bytes(), 0U);
}

TEST_F(ExpertStreamerTest, ExpertsInUseAreNotTaken) {
  ASSERT_TRUE(Start(4).ok());
  streamer_->Request(0, std::vector{0, 1, 2, 3});
  std::set<int32_t> pinned;
  while (pinned.size() < 4) {  // all of them may come at once or not
    const auto arrived = streamer_->Next();
    ASSERT_TRUE(arrived.ok());
    pinned = {arrived->begin(), arrived->end()};
    if (pinned.size() == 4) {
      EXPECT_FALSE(budget_->Reserve(MemoryUse::kBuffers, 1).ok());
      EXPECT_EQ(streamer_->stats().num_slots, 4);
    }
    streamer_->Request(0, std::vector{0, 1, 2, 3});
  }
  streamer_->Finish();
  EXPECT_TRUE(budget_->Reserve(MemoryUse::kBuffers, 1).ok());
}

TEST_F(ExpertStreamerTest, TooLittleMemory) {
  const Status status = Start(1);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
}

TEST_F(ExpertStreamerTest, AFailedReadEndsTheVisitAndNoOther) {
  bool fail = false;
  ASSERT_TRUE(Start(4, [&](const RangeRead& read) {
                return fail && read.tag == 3 ? IoError("the disk is gone") : OkStatus();
              }).ok());
  ASSERT_TRUE(Visit(0, {0, 1}).ok());
  fail = true;
  const Status status = Visit(0, {0, 3, 4});
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("the disk is gone"));
  EXPECT_TRUE(Visit(0, {0, 1, 2, 4, 5}).ok());
  EXPECT_TRUE(Visit(1, {0, 1, 2, 3, 4, 5}).ok());
  fail = false;
  EXPECT_TRUE(Visit(0, {0, 3, 4}).ok());
  EXPECT_LE(budget_->used_bytes(), budget_->limit_bytes());
}

TEST_F(ExpertStreamerTest, RandomFaultsLeaveNothingBehind) {
  uint64_t reads = 0;
  ASSERT_TRUE(Start(3, [&](const RangeRead&) {
                return UniformDouble(5, 0, ++reads) < 0.1 ? IoError("once") : OkStatus();
              }).ok());
  int64_t failed = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    if (!Visit(static_cast<int64_t>(i % 2), SomeExperts(i, 5)).ok()) ++failed;
    ASSERT_LE(streamer_->stats().num_slots, 3);
  }
  EXPECT_GT(failed, 20);
  EXPECT_LT(failed, 280);
}

TEST_F(ExpertStreamerTest, ATruncatedFileIsAnError) {
  ASSERT_TRUE(Start(2).ok());
  ASSERT_TRUE(Visit(0, {0}).ok());
  std::filesystem::resize_file(path_, 10);
  const Status status = Visit(1, {0});
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), HasSubstr(path_.string()));
}

// A step that ends early leaves reads under way.
TEST_F(ExpertStreamerTest, AVisitMayEndEarly) {
  ASSERT_TRUE(Start(4).ok());
  for (uint64_t i = 0; i < 50; ++i) {
    streamer_->Request(static_cast<int64_t>(i % 2), SomeExperts(i, 6));
    EXPECT_TRUE(i % 3 != 1 || streamer_->Next().ok());
    if (i % 3 != 2) streamer_->Finish();
  }
  ASSERT_TRUE(Visit(0, {0, 1, 2, 3, 4, 5}).ok());
  EXPECT_LE(budget_->used_bytes(), budget_->limit_bytes());
}

}  // namespace
}  // namespace moiety
