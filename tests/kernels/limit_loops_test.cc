#include "kernels/limit_loops.h"

#include <gmock/gmock.h>

#include "base/aligned.h"
#include "kernels/kernels.h"

namespace moiety {
namespace {

TEST(LimitLoops, EveryTableHasThem) {
  for (const KernelTable* table : AvailableKernels()) {
    const Result<const LimitLoops*> loops = LimitLoopsOf(table->isa);
    ASSERT_TRUE(loops.ok()) << loops.status().message();
    EXPECT_NE((*loops)->multiply_add, nullptr) << table->isa;
    EXPECT_GT((*loops)->flops_per_block, 0);
  }
}

TEST(LimitLoops, Bf16WhereTheTableHasIt) {
  for (const KernelTable* table : AvailableKernels()) {
    const Result<const LimitLoops*> loops = LimitLoopsOf(table->isa, Product::kBF16);
    ASSERT_EQ(loops.ok(), table->matmul_bf16 != nullptr) << table->isa;
    if (!loops.ok()) continue;
    EXPECT_GT((*loops)->flops_per_block, (*LimitLoopsOf(table->isa))->flops_per_block);
    // Nothing is added to the chains: all work on finite numbers.
    EXPECT_EQ((*loops)->multiply_add(100), (*loops)->multiply_add(0)) << table->isa;
  }
}

TEST(LimitLoops, EveryTableMultipliesBytes) {
  for (const KernelTable* table : AvailableKernels()) {
    const Result<const LimitLoops*> loops = LimitLoopsOf(table->isa, Product::kInt8);
    ASSERT_TRUE(loops.ok()) << loops.status().message();
    EXPECT_GT((*loops)->flops_per_block, 0);
    EXPECT_EQ((*loops)->multiply_add(100), (*loops)->multiply_add(0)) << table->isa;
  }
}

TEST(LimitLoops, AnotherNameIsAnError) {
  const Result<const LimitLoops*> loops = LimitLoopsOf("abacus");
  ASSERT_FALSE(loops.ok());
  EXPECT_EQ(loops.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(loops.status().message(), testing::HasSubstr("abacus"));
}

// Every chain tends to 1 and all of them are summed: the work was done, and on finite numbers.
TEST(LimitLoops, MultiplyAddsConverge) {
  for (const KernelTable* table : AvailableKernels()) {
    const LimitLoops& loops = **LimitLoopsOf(table->isa);
    EXPECT_EQ(loops.multiply_add(64), static_cast<float>(loops.flops_per_block / 2)) << loops.isa;
    EXPECT_GT(loops.multiply_add(0), loops.multiply_add(1)) << loops.isa;
  }
}

TEST(LimitLoops, EveryValueIsReadOnce) {
  constexpr int64_t kCount = 5 * kReadBlock;
  const AlignedBytes memory = AllocateAligned(kCount * sizeof(float));
  auto* x = reinterpret_cast<float*>(memory.get());
  for (const KernelTable* table : AvailableKernels()) {
    const LimitLoops& loops = **LimitLoopsOf(table->isa);
    for (int64_t i = 0; i < kCount; ++i) x[i] = static_cast<float>(i);  // sums below 2^24: exact
    EXPECT_EQ(loops.read(x, kCount), kCount * (kCount - 1) / 2) << loops.isa;
    EXPECT_EQ(loops.read(x, kReadBlock), kReadBlock * (kReadBlock - 1) / 2) << loops.isa;
    EXPECT_EQ(loops.read(x, 0), 0) << loops.isa;
  }
}

}  // namespace
}  // namespace moiety
