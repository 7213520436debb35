#include "base/system_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace moiety {
namespace {

TEST(AvailableMemory, IsSomeOfTheMachinesMemory) {
  const uint64_t all =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  EXPECT_GT(AvailableMemoryBytes(), uint64_t{1} << 20);
  EXPECT_LE(AvailableMemoryBytes(), all);
}

}  // namespace
}  // namespace moiety
