#include "runtime/kv_pages.h"

#include <gmock/gmock.h>

#include <set>

namespace moiety {
namespace {

const StateLayout& Layout() {
  static const StateLayout layout(
      {{StateSpec::Kind::kPagedKv, 1, 4, 0}, {StateSpec::Kind::kPagedKv, 2, 4, 0}});
  return layout;
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
  sequence.Advance(100);
  ASSERT_TRUE(sequence.Reserve(92).ok());
  EXPECT_EQ(sequence.pages().size(), 3U);
  ASSERT_TRUE(sequence.Reserve(93).ok());
  EXPECT_EQ(sequence.pages().size(), 4U);
  for (float* page : sequence.pages()) EXPECT_EQ(reinterpret_cast<uintptr_t>(page) % 64, 0U);
  EXPECT_EQ(std::set<float*>(sequence.pages().begin(), sequence.pages().end()).size(), 4U);
}

TEST(KvPages, AreReused) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  std::set<float*> first;
  {
    Sequence sequence(pool);
    ASSERT_TRUE(sequence.Reserve(200).ok());
    first.insert(sequence.pages().begin(), sequence.pages().end());
  }
  Sequence a(pool);
  Sequence b(pool);
  ASSERT_TRUE(a.Reserve(128).ok());
  ASSERT_TRUE(b.Reserve(128).ok());
  std::set<float*> second(a.pages().begin(), a.pages().end());
  second.insert(b.pages().begin(), b.pages().end());
  EXPECT_EQ(second, first) << "four pages, all of them used before, none twice";
  EXPECT_EQ(budget.peak_bytes(), 4 * kPageBytes);
}

TEST(KvPages, TruncateGivesBackWhatIsNotNeeded) {
  MemoryBudget budget;
  KvPagePool pool(Layout(), budget);
  Sequence sequence(pool);
  ASSERT_TRUE(sequence.Reserve(200).ok());
  sequence.Advance(200);
  const std::vector<float*> before(sequence.pages().begin(), sequence.pages().end());
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
  sequence.Advance(64);
  const std::vector<float*> before(sequence.pages().begin(), sequence.pages().end());
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

}  // namespace
}  // namespace moiety
