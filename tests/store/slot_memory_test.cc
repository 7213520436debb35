#include "store/slot_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

namespace moiety {
namespace {

TEST(SlotMemory, SlotsAreApartAndForgetWhatIsDiscarded) {
  SlotMemory memory;
  constexpr uint64_t kBytes = 8192;
  // Far more than there is memory: only addresses are taken.
  ASSERT_TRUE(memory.Map(kBytes, uint64_t{1} << 25));
  for (const int32_t slot : {0, 1, 2, (1 << 25) - 1}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.slot(slot)) % 4096, 0U);
    std::memset(memory.slot(slot), slot + 1, kBytes);
  }
  memory.Discard(1);
  EXPECT_EQ(memory.slot(0)[kBytes - 1], std::byte{1});
  EXPECT_EQ(memory.slot(1)[0], std::byte{0});
  EXPECT_EQ(memory.slot(1)[kBytes - 1], std::byte{0});
  EXPECT_EQ(memory.slot(2)[0], std::byte{3});
}

TEST(SlotMemory, NoAddresses) {
  SlotMemory memory;
  EXPECT_FALSE(memory.Map(4096, uint64_t{1} << 60));
  SlotMemory other;
  EXPECT_FALSE(other.Map(4096, uint64_t{1} << 44));
}

}  // namespace
}  // namespace moiety
