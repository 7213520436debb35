#include "ops/tape.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <vector>

#include "ops/elementwise.h"
#include "ops/linear.h"
#include "support/bits.h"
#include "support/compute.h"
#include "support/owned_weight.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

// Where memory limits say so, the first chunk of an arena.
constexpr uint64_t kTapeChunk = uint64_t{1} << 20;

TapedCompute WithLimit(uint64_t tape_limit_bytes) {
  return TapedCompute(1, *AvailableKernels().back(), true, tape_limit_bytes);
}

TEST(Tape, GradientsBeginAsZerosAndAddUp) {
  TapedCompute compute;
  const Matrix x = compute.NewRandomMatrix(2, 3, 1);
  EXPECT_EQ(compute.tape.ReceivedGradient(x).data, nullptr);
  const Matrix dx = compute.tape.Gradient(x);
  ASSERT_EQ(dx.rows, 2);
  ASSERT_EQ(dx.cols, 3);
  EXPECT_EQ(Copy(dx), std::vector<float>(6, 0.0F));
  dx.data[4] = 2;
  EXPECT_EQ(compute.tape.Gradient(x).data, dx.data);
  EXPECT_EQ(compute.tape.ReceivedGradient(x).data, dx.data);
  EXPECT_EQ(dx.data[4], 2);
}

TEST(Tape, RowsOfAValueShareItsGradient) {
  TapedCompute compute;
  compute.NewRandomMatrix(1, 1, 1);  // a neighbour
  const Matrix x = compute.NewRandomMatrix(5, 20, 2);
  compute.NewRandomMatrix(1, 1, 3);
  const Matrix slice = {x.Row(3), 2, 20};
  EXPECT_EQ(compute.tape.ReceivedGradient(slice).data, nullptr);
  const Matrix dslice = compute.tape.Gradient(slice);
  EXPECT_EQ(dslice.rows, 2);
  const Matrix dx = compute.tape.Gradient(x);
  EXPECT_EQ(dslice.data, dx.Row(3));
  EXPECT_EQ(compute.tape.ReceivedGradient({x.Row(1), 1, 20}).data, dx.Row(1));
}

TEST(Tape, NothingOfAnEmptyValue) {
  TapedCompute compute;
  const Matrix x = compute.exec.NewMatrix(0, 4);
  EXPECT_EQ(compute.tape.Gradient(x).data, nullptr);
  EXPECT_EQ(compute.tape.ReceivedGradient(x).data, nullptr);
  compute.tape.Release(x);
  EXPECT_TRUE(compute.tape.Backward().ok());
}

TEST(Tape, ReleasedGradientsAreUsedAgainAsZeros) {
  TapedCompute compute;
  const Matrix x = compute.NewRandomMatrix(3, 4, 4);
  const Matrix other_size = compute.NewRandomMatrix(3, 5, 5);
  const Matrix y = compute.NewRandomMatrix(2, 6, 6);
  const Matrix z = compute.NewRandomMatrix(2, 6, 6);
  float* const memory = compute.tape.Gradient(x).data;
  memory[2] = 7;
  compute.tape.Release(x);
  EXPECT_EQ(compute.tape.ReceivedGradient(x).data, nullptr);
  EXPECT_NE(compute.tape.Gradient(other_size).data, memory);
  const Matrix dy = compute.tape.Gradient(y);
  EXPECT_EQ(dy.data, memory);
  EXPECT_EQ(Copy(dy), std::vector<float>(12, 0.0F));
  EXPECT_NE(compute.tape.Gradient(z).data, memory) << "once only";
}

// What several steps have written is free when the last of them has read it.
TEST(Tape, ReleasedRowByRow) {
  TapedCompute compute;
  const Matrix x = compute.NewRandomMatrix(3, 4, 7);
  float* const memory = compute.tape.Gradient(x).data;
  compute.tape.Release({x.Row(2), 1, 4});
  EXPECT_EQ(compute.tape.ReceivedGradient(x).data, memory);
  compute.tape.Release({x.Row(0), 2, 4});
  EXPECT_EQ(compute.tape.ReceivedGradient(x).data, nullptr);
}

TEST(Tape, RunsStepsFromTheLastToTheFirst) {
  TapedCompute compute;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) compute.tape.Record([&order, i] { order.push_back(i); });
  const Tape::Mark mark = compute.tape.mark();
  for (int i = 3; i < 5; ++i) compute.tape.Record([&order, i] { order.push_back(i); });
  compute.tape.BackwardTo(mark);
  EXPECT_EQ(order, (std::vector<int>{4, 3}));
  EXPECT_TRUE(compute.tape.Backward().ok());
  EXPECT_EQ(order, (std::vector<int>{4, 3, 2, 1, 0}));
  EXPECT_TRUE(compute.tape.Backward().ok());
  EXPECT_EQ(order.size(), 5U);
}

// Gradients of earlier values stay; the memory of later ones, and their places, are free.
TEST(Tape, BackwardToForgetsLaterValues) {
  TapedCompute compute;
  const Matrix x = compute.NewRandomMatrix(2, 3, 8);
  const Tape::Mark mark = compute.tape.mark();
  float* first = nullptr;
  float* memory = nullptr;
  for (const int64_t cols : {3, 1, 2}) {  // other sizes at the same place
    const Exec::Scope scope(compute.exec);
    const Matrix later = SelectRows(compute.exec, x, std::vector<int32_t>{1, 1, 1, 1});
    if (first == nullptr) first = later.data;
    EXPECT_EQ(later.data, first);
    compute.AddGradient(later, std::vector<float>(12, 1.0F));
    if (memory == nullptr) memory = compute.tape.Gradient(later).data;
    EXPECT_EQ(compute.tape.Gradient(later).data, memory);
    compute.exec.NewMatrix(100, cols);
    compute.tape.BackwardTo(mark);
  }
  EXPECT_EQ(Copy(compute.tape.Gradient(x)), (std::vector<float>{0, 0, 0, 12, 12, 12}));
}

TEST(TapeDeathTest, KnowsItsValuesOnly) {
  TapedCompute compute;
  const Matrix x = compute.NewRandomMatrix(2, 3, 9);
  const Tape::Mark mark = compute.tape.mark();
  const Matrix later = compute.exec.NewMatrix(2, 3);
  compute.tape.BackwardTo(mark);
  EXPECT_DEATH(compute.tape.Gradient(later), "");
  EXPECT_DEATH(compute.tape.ReceivedGradient(later), "");
  EXPECT_DEATH(compute.tape.Gradient({x.data, 3, 3}), "") << "more than the value";
  EXPECT_DEATH(compute.tape.Gradient({x.data - 1, 1, 1}), "") << "before the first";
  EXPECT_DEATH(compute.tape.AddValue(x), "") << "the same place";
  EXPECT_DEATH(compute.tape.AddValue({x.data + 5, 1, 1}), "") << "inside of it";
  EXPECT_DEATH(compute.tape.AddValue({x.data - 1, 1, 2}), "") << "across its beginning";
}

TEST(Tape, NothingIsRecordedWithoutATape) {
  Compute compute;
  const OwnedWeight w = OwnedWeight::Random({4, 4}, 10);
  const Matrix x = compute.NewRandomMatrix(2, 4, 11);
  {
    // Operations that consume do so in place, and memory of parts of a pass is used again.
    const Exec::ValueScope scope(compute.exec);
    EXPECT_EQ(compute.exec.Consume(x).data, x.data);
    EXPECT_EQ(Scale(compute.exec, x, 2).data, x.data);
    Linear(compute.exec, x, w.ref());
  }
  EXPECT_EQ(compute.exec.NewMatrix(1, 1).data, x.data + 16) << "right behind x's cache line";
}

TEST(Tape, ValuesStayWhileItRecords) {
  TapedCompute compute;
  const Matrix x = compute.NewRandomMatrix(2, 4, 12);
  const std::vector<float> before = Copy(x);
  Matrix y;
  {
    const Exec::ValueScope scope(compute.exec);
    y = Scale(compute.exec, x, 2);
  }
  EXPECT_NE(y.data, x.data);
  EXPECT_TRUE(SameBits(Values(x), before));
  const std::vector<float> scaled = Copy(y);
  compute.NewRandomMatrix(10, 10, 13);
  EXPECT_TRUE(SameBits(Values(y), scaled));
}

TEST(Tape, ConstantsGetNoGradient) {
  TapedCompute compute;
  const OwnedWeight trained = OwnedWeight::Random({3, 4}, 14);
  const OwnedWeight constant = OwnedWeight::Random({3, 4}, 15);
  std::vector<float> sum(12, 0.0F);
  compute.tape.Train(trained.ref(), sum.data());
  EXPECT_EQ(compute.tape.Gradient(trained.ref()), sum.data());
  EXPECT_EQ(compute.tape.Gradient(constant.ref()), nullptr);
  EXPECT_EQ(compute.tape.Gradient(WeightRef()), nullptr);
  for (const OwnedWeight* w : {&constant, &trained}) {
    const Matrix y = Linear(compute.exec, compute.NewRandomMatrix(2, 4, 16), w->ref());
    compute.AddGradient(y, std::vector<float>(6, 1.0F));
    EXPECT_TRUE(compute.tape.Backward().ok());
    EXPECT_EQ(sum[0] != 0, w == &trained);
  }
  EXPECT_TRUE(SameBits(constant.values(), OwnedWeight::Random({3, 4}, 15).values()));
}

// A value whose gradient nothing was added to costs nothing on the way back.
TEST(Tape, WhatNobodyUsesIsPassedOver) {
  TapedCompute compute;
  const OwnedWeight w = OwnedWeight::Random({4, 4}, 17);
  const Matrix x = compute.NewRandomMatrix(2, 4, 18);
  const Tape::Mark mark = compute.tape.mark();
  Scale(compute.exec, Linear(compute.exec, x, w.ref()), 2);
  compute.tape.BackwardTo(mark);
  EXPECT_EQ(compute.tape.ReceivedGradient(x).data, nullptr);
  EXPECT_EQ(compute.tape_budget.used_bytes(), 0U);
}

// A pass like the one before takes no more memory.
TEST(Tape, SeveralPasses) {
  TapedCompute compute;
  const OwnedWeight w = OwnedWeight::Random({40, 40}, 19);
  std::vector<float> sum(1600, 0.0F);
  compute.tape.Train(w.ref(), sum.data());
  std::vector<float> first;
  uint64_t used = 0;
  for (int pass = 0; pass < 5; ++pass) {
    compute.arena.Release({});
    Matrix x = compute.NewRandomMatrix(200, 40, 20);
    for (int layer = 0; layer < 40; ++layer) {
      x = Scale(compute.exec, Linear(compute.exec, x, w.ref()), 0.25F);
    }
    compute.AddGradient(x, RandomValues(8000, 21));
    EXPECT_TRUE(compute.tape.Backward().ok());
    if (pass == 0) {
      first = sum;
      used = compute.tape_budget.used_bytes();
      // Of 81 values of 32 kB only two or three have a gradient at a time.
      EXPECT_EQ(used, kTapeChunk);
    }
    EXPECT_EQ(compute.tape_budget.used_bytes(), used);
    EXPECT_TRUE(SameBits(sum, first)) << pass;
    sum.assign(1600, 0.0F);
  }
}

TEST(Tape, WithoutMemoryFails) {
  // Enough for the gradient that comes first, at the end of the pass, but not for the next.
  TapedCompute compute = WithLimit(1 << 18);
  const OwnedWeight w = OwnedWeight::Random({40, 1000}, 22);
  std::vector<float> sum(40000, 0.0F);
  compute.tape.Train(w.ref(), sum.data());
  for (int pass = 0; pass < 2; ++pass) {
    compute.arena.Release({});
    const Matrix x = compute.NewRandomMatrix(100, 1000, 23);
    const Matrix y = Linear(compute.exec, Scale(compute.exec, x, 2), w.ref());
    compute.AddGradient(y, RandomValues(4000, 24));
    EXPECT_TRUE(compute.tape.status().ok());
    const Status status = compute.tape.Backward();
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(status.message(), testing::HasSubstr("buffers"));
    EXPECT_TRUE(compute.tape.status().ok()) << "the next pass begins anew";
  }
  compute.arena.Release({});
  const Matrix small = compute.NewRandomMatrix(1, 1000, 25);
  compute.AddGradient(Linear(compute.exec, small, w.ref()), RandomValues(40, 26));
  EXPECT_TRUE(compute.tape.Backward().ok());
  EXPECT_NE(sum[0], 0);
}

}  // namespace
}  // namespace moiety
