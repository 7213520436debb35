#include "runtime/kv_pages.h"

#include <gmock/gmock.h>

#include <cstring>
#include <numeric>
#include <set>
#include <vector>

namespace moiety {
namespace {

const StateLayout& Layout() {
  static const StateLayout layout(
      {{StateSpec::Kind::kPagedKv, 1, 4, 0}, {StateSpec::Kind::kPagedKv, 2, 4, 0}});
  return layout;
}
std::vector<int32_t> SomeTokens(int64_t count, int32_t first = 0) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

constexpr uint64_t kPageBytes = (2 * 1 * 64 * 4 + 2 * 2 * 64 * 4) * sizeof(float);

TEST(KvPages, AreTakenAsTokensNeedThem) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  EXPECT_EQ(pool.page_bytes(), kPageBytes);
  Sequence sequence(pool);
  EXPECT_EQ(sequence.length(), 0);
  const std::vector<std::pair<int64_t, size_t>> cases = {{0, 0},  {1, 1},   {63, 1}, {64, 1},
                                                         {65, 2}, {128, 2}, {129, 3}};
  for (const auto& [tokens, pages] : cases) {
    ASSERT_TRUE(sequence.Reserve(tokens).ok());
    EXPECT_EQ(sequence.pages().size(), pages) << tokens;
    EXPECT_EQ(budget.used_bytes(MemoryUse::kKvCache), pages * kPageBytes);
  }
  EXPECT_EQ(sequence.length(), 0) << "reserving is not having";
  sequence.Advance(SomeTokens(100));
  ASSERT_TRUE(sequence.Reserve(92).ok());
  EXPECT_EQ(sequence.pages().size(), 3U);
  ASSERT_TRUE(sequence.Reserve(93).ok());
  EXPECT_EQ(sequence.pages().size(), 4U);
  for (std::byte* page : sequence.pages()) EXPECT_EQ(reinterpret_cast<uintptr_t>(page) % 64, 0U);
  EXPECT_EQ(std::set<std::byte*>(sequence.pages().begin(), sequence.pages().end()).size(), 4U);
}

TEST(KvPages, AreReused) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  std::set<std::byte*> first;
  {
    Sequence sequence(pool);
    ASSERT_TRUE(sequence.Reserve(200).ok());
    first.insert(sequence.pages().begin(), sequence.pages().end());
  }
  Sequence a(pool);
  Sequence b(pool);
  ASSERT_TRUE(a.Reserve(128).ok());
  ASSERT_TRUE(b.Reserve(128).ok());
  std::set<std::byte*> second(a.pages().begin(), a.pages().end());
  second.insert(b.pages().begin(), b.pages().end());
  EXPECT_EQ(second, first) << "four pages, all of them used before, none twice";
  EXPECT_EQ(budget.peak_bytes(), 4 * kPageBytes);
}

TEST(KvPages, TruncateGivesBackWhatIsNotNeeded) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  Sequence sequence(pool);
  ASSERT_TRUE(sequence.Reserve(200).ok());
  sequence.Advance(SomeTokens(200));
  const std::vector<std::byte*> before(sequence.pages().begin(), sequence.pages().end());
  sequence.Truncate(65);
  EXPECT_EQ(sequence.length(), 65);
  EXPECT_THAT(sequence.pages(), testing::ElementsAre(before[0], before[1]));
  sequence.Truncate(64);
  EXPECT_THAT(sequence.pages(), testing::ElementsAre(before[0]));
  sequence.Truncate(64);
  EXPECT_EQ(sequence.length(), 64);
  sequence.Truncate(0);
  EXPECT_TRUE(sequence.pages().empty());
}

TEST(KvPages, ALimitIsAnErrorAndNothingIsLost) {
  MemoryBudget budget(3 * kPageBytes + 100);
  KvPagePool pool(Layout(), budget);
  Sequence sequence(pool);
  ASSERT_TRUE(sequence.Reserve(64).ok());
  sequence.Advance(SomeTokens(64));
  const std::vector<std::byte*> before(sequence.pages().begin(), sequence.pages().end());
  const Status status = sequence.Reserve(64 * 3);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), testing::HasSubstr("KV cache"));
  EXPECT_EQ(sequence.length(), 64);
  EXPECT_THAT(sequence.pages(), testing::ElementsAreArray(before));
  // What the failed call had taken is there for others.
  Sequence other(pool);
  EXPECT_TRUE(other.Reserve(128).ok());
  EXPECT_FALSE(sequence.Reserve(1).ok());
  other.Truncate(0);
  EXPECT_TRUE(sequence.Reserve(128).ok());
}

// A sequence of these tokens whose pages hold their first id, as if it had been computed.
void Fill(Sequence& sequence, const std::vector<int32_t>& ids) {
  ASSERT_TRUE(sequence.Reserve(static_cast<int64_t>(ids.size())).ok());
  for (std::byte* page : sequence.pages()) std::memcpy(page, ids.data(), sizeof(int32_t));
  sequence.Advance(ids);
  sequence.Publish();
}

TEST(KvPages, SequencesThatBeginAlikeShareFullPages) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  Sequence first(pool);
  Fill(first, SomeTokens(150));
  Sequence second(pool);
  EXPECT_EQ(second.AdoptPrefix(SomeTokens(200)), 128) << "the third page is not full";
  EXPECT_EQ(second.ids().size(), 128U);
  EXPECT_EQ(second.pages()[0], first.pages()[0]);
  EXPECT_EQ(second.pages()[1], first.pages()[1]);
  EXPECT_EQ(pool.num_held(), 3);
  // One token at least is left to compute.
  for (const auto& [length, adopted] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 0}, {1, 0}, {64, 0}, {65, 64}, {128, 64}, {129, 128}}) {
    Sequence other(pool);
    EXPECT_EQ(other.AdoptPrefix(SomeTokens(length)), adopted) << length;
  }
  // Another beginning, and the same page after another one.
  Sequence different(pool);
  EXPECT_EQ(different.AdoptPrefix(SomeTokens(200, 1)), 0);
  std::vector<int32_t> swapped = SomeTokens(200, 64);
  EXPECT_EQ(different.AdoptPrefix(swapped), 0) << "known as the second page, not as the first";
  // Half of it.
  std::vector<int32_t> half = SomeTokens(200);
  half[100] = 7;
  EXPECT_EQ(different.AdoptPrefix(half), 64);
}

TEST(KvPages, PublishingTheSameTwiceKeepsOnePage) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  Sequence first(pool);
  Sequence second(pool);
  Fill(first, SomeTokens(130));
  Fill(second, SomeTokens(130));
  EXPECT_EQ(first.pages()[0], second.pages()[0]);
  EXPECT_EQ(first.pages()[1], second.pages()[1]);
  EXPECT_NE(first.pages()[2], second.pages()[2]);
  EXPECT_EQ(pool.num_held(), 4);
  EXPECT_EQ(budget.used_bytes(), 6 * kPageBytes) << "two are free";
}

TEST(KvPages, WritingToASharedPageCopiesIt) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  Sequence first(pool);
  Fill(first, SomeTokens(100, 5));
  Sequence second(pool);
  second.Fork(first);
  EXPECT_EQ(second.length(), 100);
  EXPECT_EQ(pool.num_held(), 2);
  ASSERT_TRUE(second.Reserve(0).ok());
  EXPECT_EQ(second.pages()[1], first.pages()[1]) << "nothing is written";
  const std::byte* const before = first.pages()[1];
  ASSERT_TRUE(second.Reserve(1).ok());
  EXPECT_EQ(second.pages()[0], first.pages()[0]);
  EXPECT_NE(second.pages()[1], first.pages()[1]);
  EXPECT_EQ(std::memcmp(second.pages()[1], first.pages()[1], kPageBytes), 0);
  ASSERT_TRUE(first.Reserve(1).ok());
  EXPECT_EQ(first.pages()[1], before) << "it has the page alone now";
  EXPECT_EQ(pool.num_held(), 3);
}

TEST(KvPages, ATruncatedPageThatIsWrittenToIsNoLongerFound) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  Sequence first(pool);
  Fill(first, SomeTokens(192));
  first.Truncate(100);
  Sequence second(pool);
  EXPECT_EQ(second.AdoptPrefix(SomeTokens(193)), 192) << "all are still there";
  second.Truncate(0);
  ASSERT_TRUE(first.Reserve(1).ok());
  EXPECT_EQ(second.AdoptPrefix(SomeTokens(193)), 64);
  // What follows is another text.
  first.Advance(std::vector<int32_t>{9});
  Fill(first, SomeTokens(60));
  std::vector<int32_t> all(first.ids().begin(), first.ids().end());
  EXPECT_EQ(all.size(), 161U);
  second.Truncate(0);
  EXPECT_EQ(second.AdoptPrefix(all), 128);
}

TEST(KvPages, WhatNobodyHoldsIsKeptUntilPagesRunOut) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget, {.max_pages = 4});
  {
    Sequence b(pool);
    Fill(b, SomeTokens(128, 1000));
    Sequence a(pool);  // gone first
    Fill(a, SomeTokens(128));
  }
  EXPECT_EQ(pool.num_held(), 0);
  EXPECT_EQ(pool.num_cached(), 4);
  EXPECT_EQ(pool.num_available(), 4);
  {
    // Using the first page of the older one keeps it.
    Sequence again(pool);
    EXPECT_EQ(again.AdoptPrefix(SomeTokens(100)), 64);
  }
  Sequence c(pool);
  ASSERT_TRUE(c.Reserve(64).ok());
  EXPECT_EQ(pool.num_cached(), 3);
  Sequence probe(pool);
  EXPECT_EQ(probe.AdoptPrefix(SomeTokens(200)), 64) << "its end went first";
  probe.Truncate(0);
  EXPECT_EQ(probe.AdoptPrefix(SomeTokens(200, 1000)), 128);
  EXPECT_EQ(pool.num_held(), 3);
  ASSERT_TRUE(c.Reserve(128).ok());
  const Status full = c.Reserve(192);
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(full.message(), testing::HasSubstr("all 4 pages of the KV cache are in use (256"));
}

TEST(KvPages, CachedBytesHaveALimit) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget, {.max_cached_bytes = 2 * kPageBytes});
  {
    Sequence a(pool);
    Fill(a, SomeTokens(64 * 5));
  }
  EXPECT_EQ(pool.num_cached(), 2);
  Sequence again(pool);
  EXPECT_EQ(again.AdoptPrefix(SomeTokens(400)), 128) << "the beginning is kept";
}

TEST(KvPages, CachedOnesCanBeForgotten) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  Sequence held(pool);
  Fill(held, SomeTokens(64));
  {
    Sequence a(pool);
    Fill(a, SomeTokens(192, 1000));
  }
  EXPECT_EQ(pool.num_cached(), 3);
  pool.DropCached();
  EXPECT_EQ(pool.num_cached(), 0);
  EXPECT_EQ(pool.num_held(), 1);
  Sequence again(pool);
  EXPECT_EQ(again.AdoptPrefix(SomeTokens(192, 1000)), 0);
  EXPECT_EQ(again.AdoptPrefix(SomeTokens(100)), 64) << "somebody holds that one";
}

TEST(KvPages, GiveWayToOtherUsesOfTheMemory) {
  MemoryBudget budget(4 * kPageBytes);
  KvPagePool pool(Layout(), budget);
  Sequence held(pool);
  Fill(held, SomeTokens(64));
  {
    Sequence a(pool);
    Fill(a, SomeTokens(192, 1000));
  }
  EXPECT_EQ(pool.num_cached(), 3);
  auto buffers = budget.Reserve(MemoryUse::kBuffers, kPageBytes + 1);
  ASSERT_TRUE(buffers.ok()) << buffers.status().message();
  EXPECT_EQ(pool.num_cached(), 1);
  EXPECT_EQ(budget.used_bytes(MemoryUse::kKvCache), 2 * kPageBytes);
  EXPECT_FALSE(budget.Reserve(MemoryUse::kBuffers, 3 * kPageBytes).ok()) << "one page is held";
  buffers->Release();
  ASSERT_TRUE(held.Reserve(192).ok()) << "pages come back";
  EXPECT_EQ(budget.used_bytes(), 4 * kPageBytes);
}

TEST(KvPages, HaveTheSizeOfTheirTypes) {
  MemoryBudget budget;
  const auto page_bytes = [&](CacheType key, CacheType value) {
    const KvPagePool pool(
        StateLayout({{.num_kv_heads = 2, .head_dim = 32, .key_type = key, .value_type = value}}),
        budget);
    return pool.page_bytes();
  };
  constexpr uint64_t kValues = 64 * 2 * 32;  // keys, or values
  EXPECT_EQ(page_bytes(CacheType::kF32, CacheType::kF32), kValues * 8);
  EXPECT_EQ(page_bytes(CacheType::kF16, CacheType::kF16), kValues * 4);
  EXPECT_EQ(page_bytes(CacheType::kF16, CacheType::kF32), kValues * 6);
  EXPECT_EQ(page_bytes(CacheType::kQ8_0, CacheType::kQ8_0), kValues / 32 * 34 * 2);
}

}  // namespace
}  // namespace moiety
