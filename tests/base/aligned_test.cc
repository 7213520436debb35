#include "base/aligned.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace moiety {
namespace {

TEST(Aligned, RoundsUp) {
  EXPECT_EQ(RoundUp(0, 64), 0U);
  EXPECT_EQ(RoundUp(1, 64), 64U);
  EXPECT_EQ(RoundUp(64, 64), 64U);
}

// Little memory and what may get huge pages, in odd sizes: on a cache line, all of it usable.
TEST(Aligned, MemoryIsOnACacheLine) {
  for (const size_t bytes :
       {size_t{1}, size_t{65}, (size_t{4} << 20) - 1, size_t{4} << 20, (size_t{9} << 20) + 17}) {
    const AlignedBytes memory = AllocateAligned(bytes);
    ASSERT_NE(memory, nullptr) << bytes;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % kCacheLineBytes, 0U) << bytes;
    memory[0] = std::byte{1};
    memory[bytes - 1] = std::byte{2};
    EXPECT_EQ(memory[bytes - 1], std::byte{2});
  }
}

}  // namespace
}  // namespace moiety
