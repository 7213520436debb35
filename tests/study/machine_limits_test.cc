#include "study/machine_limits.h"

#include <gmock/gmock.h>

#include "kernels/kernels.h"

namespace moiety {
namespace {

constexpr uint64_t kBudget = uint64_t{64} << 20;

TEST(MachineLimits, AreMeasuredWithinTheBudget) {
  for (const KernelTable* table : {AvailableKernels().front(), AvailableKernels().back()}) {
    Context context(2, *table, kBudget);
    {
      Result<MachineLimits> limits = MachineLimits::Create(context, Product::kF32, 0);
      ASSERT_TRUE(limits.ok()) << limits.status().message();
      EXPECT_EQ(limits->read_bytes(), kBudget / 2);
      // The memory for measuring is not the model's.
      EXPECT_EQ(context.budget.used_bytes(), 0U);
      EXPECT_EQ(context.budget.peak_bytes(), 0U);
      // Slower than any machine of these days, even an emulated one, and faster.
      EXPECT_GT(limits->read_bytes_per_s(), 1e6);
      EXPECT_LT(limits->read_bytes_per_s(), 1e13);
      EXPECT_GT(limits->flops_per_s(), 1e5);
      EXPECT_LT(limits->flops_per_s(), 1e14);
      for (const uint64_t bytes : {uint64_t{1}, uint64_t{3} << 20, kBudget, 16 * kBudget}) {
        EXPECT_GT(limits->ReadLimit(bytes), 1e6);
        EXPECT_LT(limits->ReadLimit(bytes), 1e13);
      }
      const double multiply_limit = limits->MultiplyLimit();
      EXPECT_GT(multiply_limit, 1e5);
      EXPECT_LE(multiply_limit, limits->flops_per_s());
    }
  }
}

TEST(MachineLimits, AMegabyteIsReadHoweverLittleIsLeft) {
  Context context(1, *AvailableKernels().back(), 1000);
  const Result<MachineLimits> limits = MachineLimits::Create(context, Product::kF32, 0);
  ASSERT_TRUE(limits.ok()) << limits.status().message();
  EXPECT_EQ(limits->read_bytes(), uint64_t{1} << 20);
}

TEST(MachineLimits, LeavesRoomForMappedFiles) {
  Context context(1, *AvailableKernels().back(), kBudget);
  const Result<MachineLimits> limits = MachineLimits::Create(context, Product::kF32, UINT64_MAX);
  ASSERT_TRUE(limits.ok()) << limits.status().message();
  EXPECT_EQ(limits->read_bytes(), uint64_t{1} << 20);
}

}  // namespace
}  // namespace moiety
