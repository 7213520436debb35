#include "base/memory_budget.h"

#include <gmock/gmock.h>

#include <thread>
#include <utility>
#include <vector>

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(MemoryBudget, CountsByUseAndGivesBack) {
  MemoryBudget budget(1000);
  {
    const auto weights = budget.Reserve(MemoryUse::kWeights, 300);
    const auto buffers = budget.Reserve(MemoryUse::kBuffers, 200);
    ASSERT_TRUE(weights.ok() && buffers.ok());
    EXPECT_EQ(weights->bytes(), 300U);
    EXPECT_EQ(budget.used_bytes(), 500U);
    EXPECT_EQ(budget.used_bytes(MemoryUse::kWeights), 300U);
    EXPECT_EQ(budget.used_bytes(MemoryUse::kBuffers), 200U);
    EXPECT_EQ(budget.used_bytes(MemoryUse::kKvCache), 0U);
  }
  EXPECT_EQ(budget.used_bytes(), 0U);
  EXPECT_EQ(budget.used_bytes(MemoryUse::kWeights), 0U);
  EXPECT_TRUE(budget.Reserve(MemoryUse::kWeights, 10).ok());
  EXPECT_EQ(budget.peak_bytes(), 500U);
}

TEST(MemoryBudget, GivesTheLastByteAndNoMore) {
  MemoryBudget budget(1000);
  const auto first = budget.Reserve(MemoryUse::kKvCache, 999);
  ASSERT_TRUE(first.ok());
  const auto refused = budget.Reserve(MemoryUse::kWeights, 2);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(budget.used_bytes(), 999U);
  EXPECT_EQ(budget.used_bytes(MemoryUse::kWeights), 0U);
  EXPECT_EQ(budget.peak_bytes(), 999U);
  EXPECT_TRUE(budget.Reserve(MemoryUse::kWeights, 1).ok());
  EXPECT_TRUE(budget.Reserve(MemoryUse::kWeights, 0).ok());
  // A sum that does not fit 64 bits is no way around the limit.
  EXPECT_FALSE(budget.Reserve(MemoryUse::kWeights, UINT64_MAX).ok());
}

TEST(MemoryBudget, RefusalNamesWantUseAndLimit) {
  MemoryBudget budget(8'000'000'000);
  const auto held = budget.Reserve(MemoryUse::kWeights, 6'000'000'000);
  const auto refused = budget.Reserve(MemoryUse::kKvCache, 2'500'000'000);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().message(), AllOf(HasSubstr("KV cache"), HasSubstr("2.50 GB"),
                                                HasSubstr("6.00 GB"), HasSubstr("8.00 GB")));
}

TEST(MemoryBudget, NoLimitUnlessGiven) {
  MemoryBudget budget;
  EXPECT_EQ(budget.limit_bytes(), MemoryBudget::kUnlimited);
  EXPECT_TRUE(budget.Reserve(MemoryUse::kWeights, uint64_t{1} << 60).ok());
}

TEST(Reservation, MovesWithoutCountingTwice) {
  MemoryBudget budget(1000);
  MemoryBudget::Reservation a = *budget.Reserve(MemoryUse::kWeights, 100);
  MemoryBudget::Reservation b(std::move(a));
  EXPECT_EQ(a.bytes(), 0U);  // NOLINT(bugprone-use-after-move): that it is empty is the test
  EXPECT_EQ(b.bytes(), 100U);
  a.Release();
  EXPECT_EQ(budget.used_bytes(), 100U);
  b.Release();
  b.Release();
  EXPECT_EQ(budget.used_bytes(), 0U);
}

TEST(Reservation, AssignmentReleasesWhatWasHeld) {
  MemoryBudget budget(1000);
  MemoryBudget::Reservation a = *budget.Reserve(MemoryUse::kWeights, 100);
  MemoryBudget::Reservation b = *budget.Reserve(MemoryUse::kBuffers, 30);
  a = std::move(b);
  EXPECT_EQ(a.bytes(), 30U);
  EXPECT_EQ(budget.used_bytes(MemoryUse::kWeights), 0U);
  EXPECT_EQ(budget.used_bytes(MemoryUse::kBuffers), 30U);
  MemoryBudget::Reservation& same = a;
  a = std::move(same);
  EXPECT_EQ(a.bytes(), 30U);
  EXPECT_EQ(budget.used_bytes(), 30U);
  a = MemoryBudget::Reservation();
  EXPECT_EQ(budget.used_bytes(), 0U);
}

TEST(MemoryBudget, ThreadsNeverPassTheLimitTogether) {
  MemoryBudget budget(10);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        const auto reservation = budget.Reserve(MemoryUse::kBuffers, 3);
        ASSERT_LE(budget.used_bytes(), 10U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.used_bytes(), 0U);
  EXPECT_LE(budget.peak_bytes(), 9U);
  EXPECT_GE(budget.peak_bytes(), 3U);
}

TEST(MemoryBudget, AsksForWhatCanBeGivenBack) {
  MemoryBudget budget(100);
  auto pages = budget.Reserve(MemoryUse::kKvCache, 90);
  ASSERT_TRUE(pages.ok());
  std::vector<uint64_t> asked;
  const auto give = [&](uint64_t bytes) {
    asked.push_back(bytes);
    if (bytes <= 50) pages->Release();
  };
  budget.SetReclaim(MemoryUse::kKvCache, MemoryBudget::Reclaimer{give, nullptr});
  EXPECT_TRUE(budget.Reserve(MemoryUse::kBuffers, 10).ok());
  EXPECT_TRUE(asked.empty()) << "it fits";
  EXPECT_FALSE(budget.Reserve(MemoryUse::kBuffers, 70).ok()) << "nothing was given back";
  EXPECT_FALSE(budget.Reserve(MemoryUse::kBuffers, 101).ok());
  EXPECT_FALSE(budget.Reserve(MemoryUse::kKvCache, 20).ok()) << "its own use is not asked";
  EXPECT_EQ(asked, std::vector<uint64_t>{60});
  EXPECT_TRUE(budget.Reserve(MemoryUse::kWeights, 50).ok());
  EXPECT_EQ(asked, (std::vector<uint64_t>{60, 40}));
  budget.SetReclaim(MemoryUse::kKvCache, std::nullopt);
  EXPECT_FALSE(budget.Reserve(MemoryUse::kBuffers, 101).ok());
}

TEST(MemoryBudget, CachedPagesGoBeforeWeights) {
  MemoryBudget budget(100);
  auto pages = budget.Reserve(MemoryUse::kKvCache, 40);
  auto weights = budget.Reserve(MemoryUse::kWeights, 60);
  ASSERT_TRUE(pages.ok() && weights.ok());
  budget.SetReclaim(MemoryUse::kWeights,
                    MemoryBudget::Reclaimer{[&](uint64_t) { weights->Release(); },
                                            [&] { return weights->bytes(); }});
  budget.SetReclaim(MemoryUse::kKvCache,
                    MemoryBudget::Reclaimer{[&](uint64_t) { pages->Release(); }, nullptr});
  EXPECT_EQ(budget.obtainable_bytes(MemoryUse::kKvCache), 60U);
  EXPECT_EQ(budget.obtainable_bytes(MemoryUse::kWeights), 0U);
  EXPECT_FALSE(budget.ReserveFree(MemoryUse::kBuffers, 1).ok()) << "nobody is asked";
  EXPECT_TRUE(budget.Reserve(MemoryUse::kBuffers, 30).ok());
  EXPECT_EQ(weights->bytes(), 60U);
  EXPECT_TRUE(budget.Reserve(MemoryUse::kBuffers, 70).ok());
  EXPECT_EQ(weights->bytes(), 0U);
}

TEST(MemoryBudget, ALimitCanComeLater) {
  MemoryBudget budget;
  EXPECT_EQ(budget.obtainable_bytes(MemoryUse::kWeights), MemoryBudget::kUnlimited);
  const auto some = budget.Reserve(MemoryUse::kWeights, 60);
  budget.SetLimit(100);
  EXPECT_EQ(budget.limit_bytes(), 100U);
  EXPECT_FALSE(budget.Reserve(MemoryUse::kWeights, 41).ok());
  EXPECT_TRUE(budget.Reserve(MemoryUse::kWeights, 40).ok());
  budget.SetLimit(10);  // below what is in use
  EXPECT_FALSE(budget.Reserve(MemoryUse::kWeights, 1).ok());
}

}  // namespace
}  // namespace moiety
