#include "base/arena.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace moiety {
namespace {

constexpr size_t kMegabyte = size_t{1} << 20;

TEST(Arena, GivesDisjointMemoryOnCacheLines) {
  MemoryBudget budget;
  Arena arena(budget);
  std::vector<std::pair<std::byte*, size_t>> blocks;
  for (const size_t bytes : {0, 1, 63, 64, 65, 1000, 3'000'000, 17, 9'000'000, 5}) {
    const Result<std::byte*> memory = arena.Allocate(bytes);
    ASSERT_TRUE(memory.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(*memory) % kCacheLineBytes, 0U);
    blocks.emplace_back(*memory, bytes);
    std::memset(*memory, static_cast<int>(blocks.size()), bytes);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto [memory, bytes] = blocks[i];
    for (size_t k = 0; k < bytes; ++k) ASSERT_EQ(memory[k], static_cast<std::byte>(i + 1));
  }
}

TEST(Arena, SecondStepOfASizeAllocatesNothing) {
  MemoryBudget budget;
  Arena arena(budget);
  const auto step = [&] {
    std::vector<std::byte*> taken;
    for (const size_t bytes : {100'000, 2'000'000, 10, 5'000'000, 700'000}) {
      taken.push_back(*arena.Allocate(bytes));
    }
    return taken;
  };
  const std::vector<std::byte*> once = step();
  const uint64_t used = budget.used_bytes();
  EXPECT_EQ(budget.used_bytes(MemoryUse::kBuffers), used);
  EXPECT_GE(used, 7'800'010U);
  for (int i = 0; i < 3; ++i) {
    arena.Release({});
    EXPECT_EQ(step(), once);
    EXPECT_EQ(budget.used_bytes(), used);
  }
}

TEST(Arena, ReleaseGivesBackWhatCameAfterTheMark) {
  MemoryBudget budget;
  Arena arena(budget);
  // Marks inside the first chunk and inside a later one.
  for (const size_t before : {size_t{64}, 4 * kMegabyte}) {
    std::byte* kept = *arena.Allocate(before);
    const Arena::Mark mark = arena.mark();
    std::byte* inner = *arena.Allocate(64);
    ASSERT_TRUE(arena.Allocate(32 * kMegabyte).ok());  // in a chunk behind
    arena.Release(mark);
    EXPECT_EQ(*arena.Allocate(64), inner);
    EXPECT_TRUE(inner < kept || inner >= kept + before);
  }
}

TEST(Arena, RefusalLeavesTheArenaUsable) {
  MemoryBudget budget(2 * kMegabyte);
  Arena arena(budget);
  std::byte* first = *arena.Allocate(1000);
  const Result<std::byte*> refused = arena.Allocate(3 * kMegabyte);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), testing::HasSubstr("buffers"));
  arena.Release({});
  EXPECT_EQ(*arena.Allocate(1000), first);
}

// Chunks grow by doubling, but the last bytes of a budget are given too.
TEST(Arena, TakesTheExactSizeWhenTheBudgetIsTight) {
  MemoryBudget budget(2 * kMegabyte);
  Arena arena(budget);
  ASSERT_TRUE(arena.Allocate(kMegabyte).ok());
  EXPECT_TRUE(arena.Allocate(kMegabyte).ok());
  EXPECT_EQ(budget.used_bytes(), 2 * kMegabyte);
  EXPECT_FALSE(arena.Allocate(1).ok());
}

TEST(Arena, GivesItsBudgetBackAtTheEnd) {
  MemoryBudget budget;
  {
    Arena arena(budget);
    ASSERT_TRUE(arena.Allocate(10).ok());
    EXPECT_GT(budget.used_bytes(), 0U);
  }
  EXPECT_EQ(budget.used_bytes(), 0U);
}

// More than the address space: an error, not a wrapped size.
TEST(Arena, RefusesWhatNoMachineHas) {
  MemoryBudget budget(kMegabyte);
  Arena arena(budget);
  EXPECT_FALSE(arena.Allocate(SIZE_MAX).ok());
  EXPECT_FALSE(arena.Allocate(SIZE_MAX / 2).ok());
}

}  // namespace
}  // namespace moiety
